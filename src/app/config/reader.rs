//! Reads settings one by one out of all layers, keeps what is wrong instead of stopping at it, and
//! remembers what was read from where.

use std::collections::{BTreeMap, BTreeSet};

use figment::{
    Error, Figment, Metadata, Profile, Provider,
    providers::{Format, Toml},
    value::{Dict, Map, Value},
};

use super::{
    Sources,
    values::{Kind, Raw},
};

/// A setting that can't be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Which, or the file that can't be read.
    pub key: String,
    /// Its value, unless it may be secret.
    pub value: Option<String>,
    /// Where it was set.
    pub source: String,
    /// What is wrong, and what would be right.
    pub message: String,
}

impl std::fmt::Display for Problem {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.key)?;
        if let Some(value) = &self.value {
            write!(formatter, " = {value}")?;
        }
        write!(formatter, " ({}): {}", self.source, self.message)
    }
}

/// A setting as it is in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Effective {
    /// Which.
    pub key: &'static str,
    /// As TOML, without secrets.
    pub value: String,
    /// Where it was set.
    pub source: String,
}

/// Where settings come from that were set nowhere.
pub const DEFAULT: &str = "default";

/// One setting, given by the environment or by a flag.
struct Given {
    source: String,
    key: String,
    value: String,
}

impl Provider for Given {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.source.clone())
    }

    fn data(&self) -> Result<Map<Profile, Dict>, Error> {
        let mut path: Vec<&str> = self.key.split('.').collect();
        let last = path.pop().unwrap_or_default().to_owned();
        let leaf = Dict::from([(last, Value::from(self.value.clone()))]);
        let dict = path.into_iter().rev().fold(leaf, |dict, part| {
            Dict::from([(part.to_owned(), Value::from(dict))])
        });
        Ok(Profile::Default.collect(dict))
    }
}

/// The layers, merged.
pub struct Reader {
    given: BTreeMap<String, (Raw, String)>,
    known: BTreeSet<&'static str>,
    /// What was read.
    pub effective: Vec<Effective>,
    /// What is wrong.
    pub problems: Vec<Problem>,
    /// Names in the environment that begin like ours and are no settings.
    pub ignored: Vec<String>,
}

impl Reader {
    /// Merges the file, the environment and the flags, the later over the earlier.
    pub fn open(sources: &Sources) -> Self {
        let mut problems = Vec::new();
        let mut given = BTreeMap::new();
        if let Some(path) = &sources.file {
            let file = Toml::file_exact(path);
            let name = format!("file {}", path.display());
            if !path.is_file() {
                problems.push(unreadable(name, "there is no such file".to_owned()));
            } else if let Err(error) = file.data() {
                problems.push(unreadable(name, place_and_reason(&error.to_string())));
            } else {
                given.extend(flattened(&Figment::from(file)));
            }
        }
        let (environment, ignored) = from_environment(&sources.environment);
        let single = environment.into_iter().chain(from_flags(&sources.flags));
        for setting in single {
            given.extend(flattened(&Figment::from(setting)));
        }
        Self {
            given,
            known: BTreeSet::new(),
            effective: Vec::new(),
            problems,
            ignored,
        }
    }

    /// Reads a setting; if it is wrong, notes that and goes on with the default.
    pub fn take<T: 'static>(&mut self, key: &'static str, default: T, kind: &Kind<T>) -> T {
        self.known.insert(key);
        let (value, source) = match self.given.get(key) {
            None => (default, DEFAULT.to_owned()),
            Some((raw, source)) => match (kind.read)(raw) {
                Some(value) => (value, source.clone()),
                None => {
                    self.problems.push(Problem {
                        key: key.to_owned(),
                        value: (!kind.secret).then(|| raw.to_string()),
                        source: source.clone(),
                        message: format!("expected {}", kind.expected),
                    });
                    (default, source.clone())
                }
            },
        };
        self.effective.push(Effective {
            key,
            value: (kind.show)(&value),
            source,
        });
        value
    }

    /// Was this setting given, or is it the default?
    pub fn is_given(&self, key: &str) -> bool {
        self.given.contains_key(key)
    }

    /// Notes that a setting does not go with another one.
    pub fn refuse(&mut self, key: &str, message: &str) {
        let source = self
            .given
            .get(key)
            .map_or(DEFAULT, |(_, source)| source)
            .to_owned();
        self.problems.push(Problem {
            key: key.to_owned(),
            value: None,
            source,
            message: message.to_owned(),
        });
    }

    /// Notes every setting that was given and that nobody reads.
    pub fn refuse_unknown(&mut self) {
        for (key, (_, source)) in &self.given {
            if self.known.contains(key.as_str()) {
                continue;
            }
            let is_section = self.known.iter().any(|known| {
                known
                    .strip_prefix(key)
                    .is_some_and(|rest| rest.starts_with('.'))
            });
            let message = if is_section {
                format!(
                    "this is a section, with settings below it such as {}",
                    self.example(key)
                )
            } else {
                self.nearest(key).map_or_else(
                    || "there is no such setting".to_owned(),
                    |nearest| format!("there is no such setting; did you mean {nearest}?"),
                )
            };
            self.problems.push(Problem {
                key: key.clone(),
                value: None,
                source: source.clone(),
                message,
            });
        }
    }

    fn example(&self, section: &str) -> &'static str {
        self.known
            .iter()
            .find(|known| known.starts_with(section))
            .copied()
            .unwrap_or_default()
    }

    /// The known key that is written most like this one, if any is.
    fn nearest(&self, key: &str) -> Option<&'static str> {
        let last = |key: &str| key.rsplit('.').next().unwrap_or_default().to_owned();
        let likeness = |known: &str| {
            let whole = strsim::jaro_winkler(known, key);
            whole.max(strsim::jaro_winkler(&last(known), &last(key)) - 0.05)
        };
        self.known
            .iter()
            .map(|known| (*known, likeness(known)))
            .filter(|(_, likeness)| *likeness > 0.82)
            .max_by(|(_, one), (_, other)| one.total_cmp(other))
            .map(|(known, _)| known)
    }
}

fn unreadable(source: String, message: String) -> Problem {
    Problem {
        key: "the configuration".to_owned(),
        value: None,
        source,
        message,
    }
}

/// The parser quotes the line that it can't read, which may hold a password: its first line says where,
/// its last one why.
fn place_and_reason(error: &str) -> String {
    let lines: Vec<&str> = error
        .lines()
        .filter(|line| !line.trim().is_empty())
        .collect();
    match (lines.first(), lines.last()) {
        (Some(place), Some(reason)) if lines.len() > 1 => format!("{place}: {reason}"),
        (Some(only), _) => (*only).to_owned(),
        _ => "not valid TOML".to_owned(),
    }
}

/// What the environment gives, and the names in it that begin like ours and are no settings.
fn from_environment(environment: &[(String, String)]) -> (Vec<Given>, Vec<String>) {
    let (mut given, mut ignored) = (Vec::new(), Vec::new());
    for (name, value) in environment {
        match key_of(name) {
            Some(key) => given.push(Given {
                source: format!("environment variable {name}"),
                key,
                value: value.clone(),
            }),
            None if name.starts_with("KAITSU_") && !is_for_tests(name) => {
                ignored.push(name.clone());
            }
            None => {}
        }
    }
    // What is named after us goes before what other programs read, too.
    given.sort_by(|one, other| one.source.cmp(&other.source));
    (given, ignored)
}

/// `KAITSU_SECTION__KEY`, the one setting without a section, and the two names by which a database is commonly
/// given. Others may begin like ours: for a service called kaitsu Kubernetes sets `KAITSU_PORT` and more.
fn key_of(name: &str) -> Option<String> {
    match name {
        "DATABASE_URL" => Some("database.url".to_owned()),
        "DATABASE_READ_URL" => Some("database.read_url".to_owned()),
        "KAITSU_ENVIRONMENT" => Some("environment".to_owned()),
        _ if is_for_tests(name) => None,
        _ => name
            .strip_prefix("KAITSU_")
            .filter(|rest| rest.contains("__"))
            .map(|rest| rest.to_ascii_lowercase().replace("__", ".")),
    }
}

fn is_for_tests(name: &str) -> bool {
    name.starts_with("KAITSU_TEST_")
}

fn from_flags(flags: &[(String, String, String)]) -> Vec<Given> {
    flags
        .iter()
        .map(|(flag, key, value)| Given {
            source: format!("flag {flag}"),
            key: key.clone(),
            value: value.clone(),
        })
        .collect()
}

/// The settings of a layer by their whole keys, with where each was set.
fn flattened(figment: &Figment) -> BTreeMap<String, (Raw, String)> {
    let mut given = BTreeMap::new();
    let layers = figment.data().unwrap_or_default();
    for (key, value) in layers.into_values().flatten() {
        flatten(figment, key, value, &mut given);
    }
    given
}

fn flatten(
    figment: &Figment,
    key: String,
    value: Value,
    given: &mut BTreeMap<String, (Raw, String)>,
) {
    if let Value::Dict(_, inner) = value {
        for (name, value) in inner {
            flatten(figment, format!("{key}.{name}"), value, given);
        }
        return;
    }
    let source = figment
        .get_metadata(value.tag())
        .map_or_else(|| DEFAULT.to_owned(), source_of);
    let raw = match value {
        Value::Array(_, items) => Raw::List(items.iter().map(written).collect()),
        single => Raw::Text(written(&single)),
    };
    given.insert(key, (raw, source));
}

fn source_of(metadata: &Metadata) -> String {
    match metadata
        .source
        .as_ref()
        .and_then(|source| source.file_path())
    {
        Some(path) => format!("file {}", path.display()),
        None => metadata.name.clone().into_owned(),
    }
}

fn written(value: &Value) -> String {
    if let Some(text) = value.as_str() {
        return text.to_owned();
    }
    if let Some(truth) = value.to_bool() {
        return truth.to_string();
    }
    if let Some(number) = value.to_i128() {
        return number.to_string();
    }
    value
        .to_num()
        .and_then(|number| number.to_f64())
        .map_or_else(String::new, |number| number.to_string())
}
