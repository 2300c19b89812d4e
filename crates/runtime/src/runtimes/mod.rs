//! Runtimes by name: whether the machine has them, and how their processes are started.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use ropeway_core::functions::{FunctionSpec, NotRun};

mod find;
mod java;
mod making;
mod name;
mod node;
mod python;

use find::{Interpreter, Places};
use making::Store;
pub use name::{Language, NAMES, Name};

/// Where the language is, inside; as in Lambda.
const LANGUAGE: &str = "/var/lang";
/// Where the bootstrap is, inside.
const BOOTSTRAP: &str = "/var/lang/bootstrap";
/// Where the SDK is, inside; as in Lambda.
const SDK: &str = "/var/runtime";

/// How a runtime's processes are started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Launch {
    /// The program, as it is seen inside.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<OsString>,
    /// Environment variables beyond those that every runtime has; the function's own do not replace them.
    pub env: Vec<(String, String)>,
    /// What of the host the runtime needs, beside the system's own programs and libraries.
    pub binds: Vec<Bind>,
    /// Where a Java keeps the certificates that it trusts.
    pub trust_store: Option<PathBuf>,
}

/// A file or directory of the host that a process sees, read-only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bind {
    /// Where it is on the host.
    pub host: PathBuf,
    /// Where it is inside.
    pub inside: PathBuf,
}

impl Bind {
    /// At the same place inside as outside.
    fn same(path: &Path) -> Self {
        Bind { host: path.to_path_buf(), inside: path.to_path_buf() }
    }
}

/// What the operator says about runtimes.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// Where SDKs and added interpreters are kept.
    pub directory: PathBuf,
    /// Which runtime's interpreter may stand in for which runtime, as in `nodejs18.x` → `nodejs20.x`.
    pub stand_ins: BTreeMap<String, String>,
    /// Whether functions may name runtimes that AWS has deprecated.
    pub deprecated: bool,
    /// Whether functions do without the SDK that the managed runtimes bring, as on a machine that reaches no
    /// package registry.
    pub no_sdk: bool,
}

/// The runtimes that this machine has.
#[derive(Debug, Default)]
pub struct Runtimes {
    settings: Settings,
    places: Places,
    /// Interpreters that were found, by language.
    found: Mutex<BTreeMap<String, Interpreter>>,
    /// SDKs, bootstraps and added interpreters.
    store: Store,
}

/// A runtime, as `ropeway runtime ls` shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its name.
    pub name: Name,
    /// The interpreter's version and program; or why functions of it are not taken.
    pub state: Result<String, String>,
}

impl Runtimes {
    /// Looks where the environment says.
    pub fn new(settings: Settings) -> Self {
        let places = Places::of_environment(settings.directory.clone());
        let store = Store::new(settings.directory.clone());
        Runtimes { settings, places, store, found: Mutex::default() }
    }

    /// Whether functions of this runtime and architecture can run here.
    ///
    /// # Errors
    /// What is missing, said to the person who creates the function.
    pub fn check(&self, runtime: &str, architecture: &str) -> Result<(), NotRun> {
        let machine = if cfg!(target_arch = "aarch64") { "arm64" } else { "x86_64" };
        if architecture != machine {
            let why = format!("this machine is {machine}: functions for {architecture} do not run here");
            return Err(NotRun::NoRuntime(why));
        }
        let name = self.admitted(runtime).map_err(NotRun::NoRuntime)?;
        match name.language {
            Language::Provided => Ok(()),
            language => self.interpreter(name, language).map(drop).map_err(NotRun::NoRuntime),
        }
    }

    /// How processes of a function are started. Fetches what the runtime brings, the first time.
    ///
    /// # Errors
    /// As [`Runtimes::check`]; and what could not be fetched.
    pub async fn launch(&self, spec: &FunctionSpec) -> Result<Launch, NotRun> {
        self.check(&spec.runtime, &spec.architecture)?;
        let name = self.admitted(&spec.runtime).map_err(NotRun::NoRuntime)?;
        self.start_of(name, spec).await.map_err(|why| NotRun::NoRuntime(format!("{}: {why}", name.text)))
    }

    /// Whether all that a runtime brings is on disk: functions of it start without fetching anything.
    pub fn is_ready(&self, runtime: &str) -> bool {
        let Some(name) = Name::find(runtime) else { return false };
        let Ok(found) = self.interpreter(name, name.language) else {
            return name.language == Language::Provided;
        };
        self.brings(name.language, &found).is_none_or(|directory| self.store.has(&directory))
    }

    /// Fetches what a runtime brings.
    ///
    /// # Errors
    /// What is missing or could not be fetched.
    pub async fn make_ready(&self, runtime: &str) -> Result<(), NotRun> {
        let ready = async {
            let name = self.admitted(runtime)?;
            if name.language == Language::Provided {
                return Ok(());
            }
            let found = self.interpreter(name, name.language)?;
            self.brought(name.language, &found).await.map(drop)
        };
        ready.await.map_err(|why| NotRun::NoRuntime(format!("{runtime}: {why}")))
    }

    async fn start_of(&self, name: Name, spec: &FunctionSpec) -> Result<Launch, String> {
        if name.language == Language::Provided {
            let program = PathBuf::from("/var/task/bootstrap");
            return Ok(Launch {
                program,
                args: Vec::new(),
                env: Vec::new(),
                binds: Vec::new(),
                trust_store: None,
            });
        }
        let found = self.interpreter(name, name.language)?;
        let brought = self.brought(name.language, &found).await?;
        Ok(match (name.language, brought) {
            (Language::Node(major), sdk) => {
                node::launch(spec, major, &found, node::bootstrap(&self.store).await?, sdk)
            }
            (Language::Python(_), sdk) => {
                python::launch(spec, &found, python::bootstrap(&self.store, &found).await?, sdk)
            }
            (_, Some(client)) => java::launch(spec, &found, client),
            (_, None) => return Err("nothing starts it".to_owned()),
        })
    }

    /// The directory of what a runtime brings: the SDK, or what Java is started by.
    fn brings(&self, language: Language, found: &Interpreter) -> Option<String> {
        match language {
            Language::Java(_) => Some(java::client_name()),
            Language::Node(major) if !self.settings.no_sdk => Some(node::sdk_name(major)),
            Language::Python(_) if !self.settings.no_sdk => Some(python::sdk_name(found)),
            _ => None,
        }
    }

    /// What a runtime brings, fetched if it is not there.
    async fn brought(&self, language: Language, found: &Interpreter) -> Result<Option<PathBuf>, String> {
        let (store, places) = (&self.store, &self.places);
        match language {
            Language::Java(_) => java::client(store, places).await.map(Some),
            Language::Node(major) if !self.settings.no_sdk => node::sdk(store, places, major).await.map(Some),
            Language::Python(_) if !self.settings.no_sdk => python::sdk(store, places, found).await.map(Some),
            _ => Ok(None),
        }
    }

    /// The runtime of a name that functions may have.
    fn admitted(&self, runtime: &str) -> Result<Name, String> {
        let name = Name::find(runtime).ok_or_else(|| {
            let known: Vec<&str> =
                NAMES.iter().filter(|name| name.deprecated.is_none()).map(|n| n.text).collect();
            format!("Ropeway does not run {runtime}; it runs {}", known.join(", "))
        })?;
        match name.deprecated {
            Some(since) if !self.settings.deprecated => Err(format!(
                "The runtime parameter of {runtime} is no longer supported for creating or updating AWS Lambda \
                 functions. We recommend you use a supported runtime while creating or updating functions. (AWS \
                 deprecated it on {since}; --deprecated-runtimes admits it here.)"
            )),
            _ => Ok(name),
        }
    }

    /// The interpreter that runs a runtime: of its own version, or of the admitted stand-in's.
    fn interpreter(&self, name: Name, language: Language) -> Result<Interpreter, String> {
        if let Some(found) = self.find(language) {
            return Ok(found);
        }
        let add = if matches!(language, Language::Node(_)) {
            format!("`ropeway runtime add {}` adds it", name.text)
        } else {
            "install it, by the system or a version manager".to_owned()
        };
        let missing = format!("this machine has no {language}, which {} needs: {add}", name.text);
        let Some(other) = self.settings.stand_ins.get(name.text) else {
            return Err(format!("{missing}, or name a stand-in with --stand-in {}=RUNTIME", name.text));
        };
        let stand_in = Name::find(other).map(|other| other.language);
        stand_in
            .and_then(|other| self.find(other))
            .ok_or_else(|| format!("{missing}; nor is there its stand-in, {other}"))
    }

    fn find(&self, language: Language) -> Option<Interpreter> {
        let key = language.to_string();
        let found = || self.found.lock().unwrap_or_else(PoisonError::into_inner);
        let known = found().get(&key).cloned();
        if let Some(known) = known.filter(|known| known.program.is_file()) {
            return Some(known);
        }
        // Not under the lock: candidates are run to ask for their version.
        let interpreter = self.places.find(language)?;
        found().insert(key, interpreter.clone());
        Some(interpreter)
    }

    /// Makes a runtime ready: fetches its interpreter, where a registry has it and this machine does not,
    /// and what it brings. Says what is there then.
    ///
    /// # Errors
    /// What is missing or could not be fetched.
    pub async fn add(&self, runtime: &str) -> Result<String, String> {
        let name = Name::find(runtime).ok_or_else(|| format!("Ropeway does not run {runtime}"))?;
        let language = name.language;
        if language == Language::Provided {
            return Ok(format!("{runtime} needs nothing: packages bring their own program"));
        }
        if let Language::Node(major) = language
            && self.find(language).is_none()
        {
            node::add(&self.store, &self.places, major).await?;
        }
        let found = self.interpreter(name, language)?;
        self.brought(language, &found).await?;
        Ok(format!("{runtime} runs on {} ({})", found.program.display(), found.version))
    }

    /// All runtimes, and how each stands.
    pub fn list(&self) -> Vec<Listed> {
        let state = |name: Name| match name.language {
            Language::Provided => Ok("packages bring their own program".to_owned()),
            language => self
                .interpreter(name, language)
                .map(|found| format!("{} ({})", found.program.display(), found.version)),
        };
        NAMES.into_iter().map(|name| Listed { name, state: state(name) }).collect()
    }
}

/// Whether stand-ins are of runtimes' names, and of the language that they stand in for.
///
/// # Errors
/// The one that is not.
pub fn check_stand_ins(stand_ins: &BTreeMap<String, String>) -> Result<(), String> {
    for (runtime, other) in stand_ins {
        let language = |name: &str| {
            let found = Name::find(name).map(|name| name.language);
            found.ok_or_else(|| format!("Ropeway does not run {name}, which a stand-in names"))
        };
        if std::mem::discriminant(&language(runtime)?) != std::mem::discriminant(&language(other)?) {
            return Err(format!("{other} cannot stand in for {runtime}: they are of different languages"));
        }
    }
    Ok(())
}

/// Tells the language's log functions to frame their events, on standard output. Their runtimes take it out of
/// the environment.
fn framed() -> (String, String) {
    ("_LAMBDA_TELEMETRY_LOG_FD".to_owned(), "1".to_owned())
}

/// Environment variables that the function's own replace.
fn own(spec: &FunctionSpec, defaults: &[(&str, &str)]) -> Vec<(String, String)> {
    defaults
        .iter()
        .filter(|(name, _)| !spec.environment.contains_key(*name))
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

#[cfg(test)]
mod tests;
