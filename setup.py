from pathlib import Path

from setuptools import find_packages, setup

setup(
    name="lumina",
    version="0.1.0",
    description="Lets many programs share the Modbus devices of a site",
    long_description=Path(__file__).with_name("README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="MIT",
    python_requires=">=3.11",
    # twisted and twisted/plugins have no __init__.py: the plugin joins Twisted's own package.
    packages=[*find_packages(include=["lumina", "lumina.*"]), "twisted.plugins"],
    # Without it an editable install hides the plugin from twistd.
    package_dir={"": "."},
    package_data={"lumina": ["**/*.yaml", "py.typed"]},
    install_requires=[
        "Twisted[tls,serial]>=26.4",
        "cryptography>=43",
        "pyserial>=3.5",
        "PyYAML>=6",
        "pydantic>=2.9",
        "click>=8.1",
        "treq>=25.5",
        "rich>=13",
        "python-dotenv>=1",
    ],
    # setuptools and wheel build lumina once more, in the tests of its installation.
    # pymodbus, pyModbusTCP, uModbus and modbus_tk are clients that lumina is tested with.
    # Each version of Hypothesis draws other examples, so that a newer one is tried before it is taken.
    extras_require={
        "test": [
            "hypothesis==6.170.17",
            "pymodbus>=3.16,<4",
            "pyModbusTCP>=0.3,<1",
            "uModbus>=1,<2",
            "modbus_tk>=1.1,<2",
            "setuptools>=64",
            "wheel>=0.38",
        ],
        "bench": ["pymodbus>=3.16,<4", "pyModbusTCP>=0.3,<1", "uModbus>=1,<2"],
    },
    entry_points={"console_scripts": ["lumina = lumina.cli.entry:run"]},
    zip_safe=False,
)
