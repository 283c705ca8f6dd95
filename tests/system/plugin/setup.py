from setuptools import setup

setup(
    name="lumina-shout",
    version="1.0",
    description="A front end and a sink for lumina: one value for whoever connects, and a diary",
    py_modules=["lumina_shout", "lumina_diary"],
    # Without an __init__.py, for the plug-in joins Twisted's own package.
    packages=["twisted.plugins"],
    package_dir={"": "."},
    install_requires=["lumina"],
)
