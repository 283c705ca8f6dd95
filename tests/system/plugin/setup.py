from setuptools import setup

setup(
    name="lumina-shout",
    version="1.0",
    description="A front end for lumina that tells one value to whoever connects",
    py_modules=["lumina_shout"],
    # Without an __init__.py, for the plug-in joins Twisted's own package.
    packages=["twisted.plugins"],
    package_dir={"": "."},
    install_requires=["lumina"],
)
