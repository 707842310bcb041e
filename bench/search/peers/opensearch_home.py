"""An OpenSearch home put together from Maven artifacts: the server, its HTTP transport, and the k-NN plugin.

The archives of the project's own site are not needed. Only the `lucene` engine of k-NN is there: the native libraries
of the others are not among the artifacts.
"""

import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Final
from xml.sax.saxutils import escape

VERSION: Final = "2.19.1"
_SOURCES: Final = Path(__file__).parent / "opensearch"
_DEPENDENCY_PLUGIN: Final = "3.6.1"
#: Class of each module that the distribution would bring with a descriptor.
_MODULES: Final = {
    "transport-netty4": "org.opensearch.transport.Netty4Plugin",
    "lang-painless": "org.opensearch.painless.PainlessPlugin",
}
_FOLDERS: Final = ("config", "data", "logs", "tmp", "bin", "agent", "extensions")


def install_opensearch(home: Path) -> None:
    """Fetches the artifacts and lays them out in `home`, which must not exist; half a minute at most.

    Raises:
        FileNotFoundError: there is no `mvn`.
        subprocess.CalledProcessError: Maven could not get an artifact; it printed which.
    """
    with tempfile.TemporaryDirectory(dir=home.parent) as temporary:
        made = Path(temporary) / "home"
        project = Path(temporary) / "pom.xml"
        project.write_text(maven_project(made), encoding="utf-8")
        subprocess.run(["mvn", "-B", "-q", "-f", project, "process-resources"], check=True)
        for name, class_name in _MODULES.items():
            _describe_module(made / "modules" / name, class_name)
        for folder in _FOLDERS:
            (made / folder).mkdir()
        for file in ("opensearch.yml", "log4j2.properties"):
            shutil.copy(_SOURCES / file, made / "config")
        made.rename(home)


def maven_project(home: Path) -> str:
    """The POM whose `process-resources` copies every artifact into its folder of `home`."""
    lines = (_SOURCES / "artifacts.txt").read_text(encoding="utf-8").splitlines()
    executions = [_execution(number, home, *line.split()) for number, line in enumerate(lines) if line[0] != "#"]
    return f"""<project xmlns="http://maven.apache.org/POM/4.0.0">
<modelVersion>4.0.0</modelVersion><groupId>bench</groupId><artifactId>opensearch</artifactId><version>1</version>
<packaging>pom</packaging><build><plugins><plugin><groupId>org.apache.maven.plugins</groupId>
<artifactId>maven-dependency-plugin</artifactId><version>{_DEPENDENCY_PLUGIN}</version>
<executions>{"".join(executions)}</executions></plugin></plugins></build></project>
"""


def _execution(number: int, home: Path, folder: str, artifact: str) -> str:
    group, name, version, *packaging = artifact.split(":")
    goal = "unpack" if packaging else "copy"
    file_type = f"<type>{packaging[0]}</type>" if packaging else ""
    return f"""<execution><id>{number}</id><phase>process-resources</phase><goals><goal>{goal}</goal></goals>
<configuration><outputDirectory>{escape(str(home / folder))}</outputDirectory><artifactItems><artifactItem>
<groupId>{group}</groupId><artifactId>{name}</artifactId><version>{version}</version>{file_type}
</artifactItem></artifactItems></configuration></execution>
"""


def _describe_module(folder: Path, class_name: str) -> None:
    descriptor = {
        "description": folder.name,
        "version": VERSION,
        "name": folder.name,
        "classname": class_name,
        "java.version": "11",
        "opensearch.version": VERSION,
        "extended.plugins": "",
        "has.native.controller": "false",
    }
    text = "".join(f"{key}={value}\n" for key, value in descriptor.items())
    (folder / "plugin-descriptor.properties").write_text(text, encoding="utf-8")
    grant = "grant { permission java.security.AllPermission; };\n"
    (folder / "plugin-security.policy").write_text(grant, encoding="utf-8")
