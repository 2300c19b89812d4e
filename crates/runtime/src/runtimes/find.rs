//! Finds interpreters: added ones, those on PATH, and those of version managers.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::name::Language;

/// An interpreter of this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interpreter {
    /// The program itself, links and wrappers resolved.
    pub program: PathBuf,
    /// The directory that it is installed in.
    pub prefix: PathBuf,
    /// Its version, as in `3.12.1`.
    pub version: String,
}

/// Where interpreters are looked for.
#[derive(Debug, Clone, Default)]
pub struct Places {
    /// Directories of programs, as PATH has them.
    pub path: OsString,
    /// Where the version managers of the user keep theirs.
    pub home: Option<PathBuf>,
    /// `JAVA_HOME`.
    pub java_home: Option<PathBuf>,
    /// Where `ropeway runtime add` puts them.
    pub added: PathBuf,
}

/// Directories below the home directory whose entries are versions, and the program within each.
const NODE_MANAGERS: [(&str, &str); 6] = [
    (".nvm/versions/node", "bin/node"),
    (".asdf/installs/nodejs", "bin/node"),
    (".local/share/mise/installs/node", "bin/node"),
    (".local/share/fnm/node-versions", "installation/bin/node"),
    (".volta/tools/image/node", "bin/node"),
    (".nodenv/versions", "bin/node"),
];
const PYTHON_MANAGERS: [&str; 4] = [
    ".pyenv/versions",
    ".asdf/installs/python",
    ".local/share/mise/installs/python",
    ".local/share/uv/python",
];
const JAVA_MANAGERS: [&str; 4] =
    [".sdkman/candidates/java", ".asdf/installs/java", ".local/share/mise/installs/java", ".jenv/versions"];
/// Where distributions put JDKs.
const JAVA_SYSTEM: [&str; 3] = ["/usr/lib/jvm", "/usr/java", "/opt/java"];

impl Places {
    /// The environment's PATH, home directory and JAVA_HOME.
    pub fn of_environment(added: PathBuf) -> Self {
        Places {
            path: std::env::var_os("PATH").unwrap_or_default(),
            home: std::env::var_os("HOME").map(PathBuf::from),
            java_home: std::env::var_os("JAVA_HOME").map(PathBuf::from),
            added,
        }
    }

    /// The interpreter for a language's version: an added one, else the first on PATH, else the newest of a
    /// version manager. Runs candidates to ask for their version.
    pub fn find(&self, language: Language) -> Option<Interpreter> {
        let mut asked = BTreeSet::new();
        let candidates = match language {
            Language::Provided => Vec::new(),
            Language::Node(major) => self.nodes(major),
            Language::Python(minor) => self.pythons(minor),
            Language::Java(major) => self.javas(major),
        };
        candidates
            .into_iter()
            .filter(|program| program.is_file() && asked.insert(program.clone()))
            .find_map(|program| ask(language, &program))
    }

    fn on_path(&self, names: &[&str]) -> Vec<PathBuf> {
        let directories: Vec<_> = std::env::split_paths(&self.path).filter(|dir| dir.is_absolute()).collect();
        directories.iter().flat_map(|dir| names.iter().map(move |name| dir.join(name))).collect()
    }

    fn below_home(&self, directory: &str) -> Option<PathBuf> {
        self.home.as_ref().map(|home| home.join(directory))
    }

    fn nodes(&self, major: u32) -> Vec<PathBuf> {
        let mut found = vec![self.added.join(super::node::added(major)).join("bin/node")];
        found.extend(self.on_path(&["node", "nodejs"]));
        for (directory, program) in NODE_MANAGERS {
            let Some(directory) = self.below_home(directory) else { continue };
            found.extend(versions(&directory, &[major]).into_iter().map(|version| version.join(program)));
        }
        found
    }

    fn pythons(&self, minor: u32) -> Vec<PathBuf> {
        let exact = format!("python3.{minor}");
        let mut found = self.on_path(&[&exact, "python3", "python"]);
        for directory in PYTHON_MANAGERS {
            let Some(directory) = self.below_home(directory) else { continue };
            let program = Path::new("bin").join(&exact);
            found.extend(versions(&directory, &[3, minor]).into_iter().map(|version| version.join(&program)));
        }
        found
    }

    fn javas(&self, major: u32) -> Vec<PathBuf> {
        let mut homes: Vec<PathBuf> = self.java_home.iter().cloned().collect();
        homes.extend(self.on_path(&["java"]).iter().filter_map(|program| home_of(program)));
        let managers = JAVA_MANAGERS.iter().filter_map(|directory| self.below_home(directory));
        for directory in JAVA_SYSTEM.iter().map(PathBuf::from).chain(managers) {
            homes.extend(entries(&directory));
        }
        homes.retain(|home| java_version(home).is_some_and(|version| leads(&version, &[major])));
        homes.into_iter().map(|home| home.join("bin/java")).collect()
    }
}

fn entries(directory: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<_> =
        std::fs::read_dir(directory).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    paths.sort();
    paths
}

/// The numbers of a version at their first place in a name: `cpython-3.12.1-linux` has 3, 12 and 1.
fn numbers(name: &str) -> Vec<u32> {
    let rest = name.trim_start_matches(|c: char| !c.is_ascii_digit());
    let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
    rest.get(..end).unwrap_or_default().split('.').map_while(|part| part.parse().ok()).collect()
}

fn leads(version: &str, wanted: &[u32]) -> bool {
    numbers(version).starts_with(wanted)
}

/// The entries of a directory whose names begin with a version, the newest first.
fn versions(directory: &Path, wanted: &[u32]) -> Vec<PathBuf> {
    let mut found: Vec<(Vec<u32>, PathBuf)> = entries(directory)
        .into_iter()
        .map(|path| (numbers(&path.file_name().unwrap_or_default().to_string_lossy()), path))
        .filter(|(version, _)| version.starts_with(wanted))
        .collect();
    found.sort_by(|a, b| b.0.cmp(&a.0));
    found.into_iter().map(|(_, path)| path).collect()
}

fn home_of(program: &Path) -> Option<PathBuf> {
    let real = program.canonicalize().ok()?;
    real.parent()?.parent().map(Path::to_path_buf)
}

/// The version that a JDK's `release` file says.
fn java_version(home: &Path) -> Option<String> {
    let release = std::fs::read_to_string(home.join("release")).ok()?;
    let line = release.lines().find_map(|line| line.strip_prefix("JAVA_VERSION="))?;
    Some(line.trim_matches('"').to_owned())
}

/// Asks a candidate for its version and place. `None` for one that does not run, or is of another version.
fn ask(language: Language, program: &Path) -> Option<Interpreter> {
    const NODE: &str = "process.stdout.write(process.versions.node + '\\n' + process.execPath)";
    const PYTHON: &str = "import sys; print('%d.%d.%d' % sys.version_info[:3]); print(sys.executable)";
    let (wanted, arguments) = match language {
        Language::Provided => return None,
        Language::Node(major) => (vec![major], vec!["-e", NODE]),
        Language::Python(minor) => (vec![3, minor], vec!["-S", "-E", "-c", PYTHON]),
        Language::Java(major) => {
            let home = home_of(program)?;
            let version = java_version(&home).filter(|version| leads(version, &[major]))?;
            return Some(Interpreter { program: home.join("bin/java"), prefix: home, version });
        }
    };
    let said = output(program, &arguments)?;
    let (version, executable) = said.trim_end().split_once('\n')?;
    let program = Path::new(executable).canonicalize().ok()?;
    let prefix = program.parent()?.parent()?.to_path_buf();
    leads(version, &wanted).then(|| Interpreter { program, prefix, version: version.to_owned() })
}

fn output(program: &Path, arguments: &[&str]) -> Option<String> {
    let run = Command::new(program)
        .args(arguments)
        .current_dir("/")
        .env_remove("NODE_OPTIONS")
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .ok()?;
    run.status.success().then(|| String::from_utf8(run.stdout).ok()).flatten()
}

/// The first program of this name on a path.
pub fn program(path: &OsStr, name: &str) -> Option<PathBuf> {
    std::env::split_paths(path).map(|directory| directory.join(name)).find(|program| program.is_file())
}

#[cfg(test)]
pub mod tests {
    use super::*;

    #[test]
    fn versions_are_read_from_names() {
        assert_eq!(numbers("v20.11.1"), [20, 11, 1]);
        assert_eq!(numbers("cpython-3.12.1-linux-x86_64-gnu"), [3, 12, 1]);
        assert_eq!(numbers("temurin-17.0.9+9"), [17, 0, 9]);
        assert!(numbers("miniconda").is_empty());
        assert!(leads("3.12.1", &[3, 12]));
        assert!(!leads("3.1.12", &[3, 12]));
    }

    #[test]
    fn the_newest_version_comes_first() {
        let home = tempfile::tempdir().unwrap();
        for version in ["v20.9.0", "v20.11.1", "v18.0.0", "v2.0.0"] {
            std::fs::create_dir(home.path().join(version)).unwrap();
        }
        let found = versions(home.path(), &[20]);
        assert_eq!(found, [home.path().join("v20.11.1"), home.path().join("v20.9.0")]);
    }

    /// Makes a program that says what an interpreter says. A shell writes it: a program that is open for
    /// writing, be it in a child that another test is just forking, cannot be run.
    pub fn fake(path: &Path, says: &str) {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let script = format!("#!/bin/sh\nprintf '{says}\\n%s' \"$0\"");
        let write = "printf '%s\n' \"$2\" > \"$1\" && chmod 755 \"$1\"";
        let status = Command::new("sh").args(["-c", write, "sh"]).arg(path).arg(script).status();
        assert!(status.unwrap().success());
    }

    #[test]
    fn added_comes_before_path_before_managers() {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path().canonicalize().unwrap();
        let places = Places {
            path: dir.join("path").into(),
            home: Some(dir.join("home")),
            java_home: None,
            added: dir.join("added"),
        };
        assert_eq!(places.find(Language::Node(20)), None);
        fake(&dir.join("home/.nvm/versions/node/v20.1.0/bin/node"), "20.1.0");
        assert_eq!(places.find(Language::Node(20)).unwrap().version, "20.1.0");
        fake(&dir.join("path/node"), "20.2.0");
        assert_eq!(places.find(Language::Node(20)).unwrap().version, "20.2.0");
        fake(&dir.join("added/interpreter-node20/bin/node"), "20.3.0");
        let found = places.find(Language::Node(20)).unwrap();
        assert_eq!(found.version, "20.3.0");
        assert_eq!(found.prefix, dir.join("added/interpreter-node20"));
        assert_eq!(places.find(Language::Node(22)), None);
    }

    #[test]
    fn python_needs_its_minor_version() {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path().canonicalize().unwrap();
        let places = Places { path: dir.join("path").into(), home: Some(dir.clone()), ..Places::default() };
        fake(&dir.join("path/python3"), "3.11.4");
        fake(&dir.join(".pyenv/versions/3.12.1/bin/python3.12"), "3.12.1");
        assert_eq!(places.find(Language::Python(11)).unwrap().version, "3.11.4");
        assert_eq!(places.find(Language::Python(12)).unwrap().prefix, dir.join(".pyenv/versions/3.12.1"));
        assert_eq!(places.find(Language::Python(13)), None);
    }

    #[test]
    fn java_is_found_by_its_release_file() {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path().canonicalize().unwrap();
        let home = dir.join(".sdkman/candidates/java/21-tem");
        fake(&home.join("bin/java"), "unused");
        std::fs::write(home.join("release"), "IMPLEMENTOR=\"x\"\nJAVA_VERSION=\"99.0.2\"\n").unwrap();
        let places = Places { home: Some(dir), ..Places::default() };
        assert_eq!(places.find(Language::Java(99)).unwrap().prefix, home);
        assert_eq!(places.find(Language::Java(98)), None);
    }
}
