//! The shape of the code: who may import whom, and where SQL and GraphQL may stand. The rules read the sources as text,
//! follow re-exports to the file that holds an item, and say which line to move when one is broken.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

/// Sources by their paths below `src/`, without their unit tests.
type Sources = BTreeMap<String, String>;

fn sources() -> Sources {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut sources = Sources::new();
    read_folder(&root, &root, &mut sources);
    assert!(sources.len() > 100, "the sources were not found");
    sources
}

fn read_folder(root: &Path, folder: &Path, sources: &mut Sources) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            read_folder(root, &path, sources);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            let code = text.split("#[cfg(test)]\nmod tests").next().unwrap();
            let name = path
                .strip_prefix(root)
                .unwrap()
                .to_str()
                .unwrap()
                .to_owned();
            sources.insert(name, without_comments(code));
        }
    }
}

fn without_comments(code: &str) -> String {
    code.lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .map(|line| format!("{line}\n"))
        .collect()
}

/// How high a file stands: it may import what stands as high or lower.
fn level(file: &str) -> u8 {
    let room = room(file);
    match file {
        "main.rs" | "lib.rs" => return 10,
        // Time is passed to everything.
        "app/clock.rs" | "app/calendar.rs" | "app/month.rs" => return 0,
        // What a resolver finds in its context.
        "app/services.rs" => return 4,
        // The root of the schema stands above the capabilities, what they share of the API below.
        "api/schema.rs" => return 7,
        _ => {}
    }
    match room.as_str() {
        "cli" => 10,
        "app" => 9,
        "http" => 8,
        room if room.ends_with("/graphql") => 6,
        "api" => 5,
        room if room.ends_with("/service") => 4,
        room if room.ends_with("/entity") => 2,
        "db" => 1,
        // The words of a capability: types and rules that every room speaks.
        _ => words_level(file),
    }
}

/// Use cases and background steps that stand beside the rooms since they are one file.
const SERVICES: [&str; 10] = [
    "auth/keys.rs",
    "auth/password.rs",
    "auth/refresh.rs",
    "auth/token.rs",
    "change/feed.rs",
    "demo/load.rs",
    "demo/mod.rs",
    "jobs/mod.rs",
    "mail/deliver.rs",
    "mail/transport.rs",
];

fn words_level(file: &str) -> u8 {
    let serves = SERVICES.contains(&file) || file.starts_with("verify/");
    if serves { 4 } else { 1 }
}

/// `facility/entity` for all files of that room, and a layer's folder for all of its own.
fn room(file: &str) -> String {
    let mut parts = file.trim_end_matches(".rs").split('/');
    let first = parts.next().unwrap_or_default();
    let second = parts.next().unwrap_or_default();
    match (first, second) {
        ("cli" | "app" | "http" | "api" | "db", _) => first.to_owned(),
        (_, "entity" | "service" | "graphql") => format!("{first}/{second}"),
        _ => file.trim_end_matches(".rs").to_owned(),
    }
}

/// Every path that a text imports or names from the crate's root, with braces written out.
fn crate_paths(code: &str, prefix: &str) -> Vec<Vec<String>> {
    let mut paths = Vec::new();
    let mut rest = code;
    while let Some(start) = rest.find(prefix) {
        rest = &rest[start + prefix.len()..];
        expand(rest, &mut Vec::new(), &mut paths);
    }
    paths
}

/// Reads one path or group of paths from the beginning of a text; returns how far it read.
fn expand(text: &str, before: &mut Vec<String>, paths: &mut Vec<Vec<String>>) -> usize {
    let depth = before.len();
    let mut at = 0;
    loop {
        let word: String = text[at..]
            .chars()
            .take_while(|character| character.is_alphanumeric() || *character == '_')
            .collect();
        at += word.len();
        if !word.is_empty() {
            before.push(word);
        }
        if text[at..].starts_with("::{") {
            at += 3;
            loop {
                at += text[at..].len() - text[at..].trim_start().len();
                if text[at..].starts_with('}') {
                    at += 1;
                    break;
                }
                let read = expand(&text[at..], before, paths);
                if read == 0 {
                    break;
                }
                at += read;
                // Past `as name`, up to the comma or the end of the group.
                at += text[at..].find([',', '}']).unwrap_or(0);
                at += usize::from(text[at..].starts_with(','));
            }
            break;
        }
        if !text[at..].starts_with("::") || text[at + 2..].starts_with('<') {
            paths.push(before.clone());
            break;
        }
        at += 2;
    }
    before.truncate(depth);
    at
}

/// The file that holds what a path names, through the re-exports of folders.
fn resolve(sources: &Sources, path: &[String]) -> Option<String> {
    let mut folder = String::new();
    for (position, name) in path.iter().enumerate() {
        let file = format!("{folder}{name}.rs");
        if sources.contains_key(&file) {
            return Some(file);
        }
        if sources.contains_key(&format!("{folder}{name}/mod.rs")) {
            folder = format!("{folder}{name}/");
            continue;
        }
        let face = format!("{folder}mod.rs");
        let exported = sources
            .get(&face)
            .into_iter()
            .flat_map(|code| crate_paths(code, "pub use "))
            .find(|exported| exported.last() == Some(name));
        let Some(exported) = exported else {
            return sources.contains_key(&face).then_some(face);
        };
        let mut target: Vec<String> = folder
            .split('/')
            .filter(|part| !part.is_empty())
            .map(str::to_owned)
            .collect();
        target.extend(exported);
        target.extend(path[position + 1..].iter().cloned());
        // `pub use` of another crate names nothing of ours.
        return resolve(sources, &target)
            .filter(|found| *found != face)
            .or(Some(face));
    }
    let face = format!("{folder}mod.rs");
    sources.contains_key(&face).then_some(face)
}

/// Which files every file imports from other rooms.
fn imports(sources: &Sources) -> BTreeMap<String, BTreeSet<String>> {
    sources
        .iter()
        .map(|(file, code)| {
            let prefix = if file.starts_with("cli/") || file == "main.rs" {
                "kaitsu"
            } else {
                "crate"
            };
            let imported = crate_paths(code, prefix)
                .iter()
                .filter_map(|path| resolve(sources, path))
                .filter(|imported| room(imported) != room(file))
                .collect();
            (file.clone(), imported)
        })
        .collect()
}

/// Imports that point up, each with the reason why it stays.
const UPWARD: [(&str, &str, &str); 0] = [];

#[test]
fn imports_point_down() {
    let sources = sources();
    let mut broken = Vec::new();
    for (file, imported) in imports(&sources) {
        for imported in imported {
            let excused = UPWARD
                .iter()
                .any(|(from, to, _)| *from == file && *to == imported);
            if level(&imported) > level(&file) && !excused && !imported.ends_with("/mod.rs") {
                broken.push(format!("{file} imports {imported}"));
            }
        }
    }
    assert!(
        broken.is_empty(),
        "these imports point up:\n{}",
        broken.join("\n")
    );
}

#[test]
fn no_rooms_import_each_other_in_a_circle() {
    let sources = sources();
    let mut graph: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (file, imported) in imports(&sources) {
        // Layers that are one folder are kept in order by their level; a face only hands on.
        let ordered = |file: &str| {
            file.ends_with("mod.rs")
                || !file.contains('/')
                || ["app", "api", "cli"]
                    .iter()
                    .any(|layer| file.starts_with(&format!("{layer}/")))
        };
        if ordered(&file) {
            continue;
        }
        let edges = graph.entry(room(&file)).or_default();
        edges.extend(
            imported
                .iter()
                .filter(|imported| !ordered(imported))
                .map(|imported| room(imported)),
        );
    }
    let circles: Vec<&String> = graph
        .keys()
        .filter(|room| reaches(&graph, room, room))
        .collect();
    assert_eq!(
        circles,
        Vec::<&String>::new(),
        "these rooms lie on a circle"
    );
}

/// Does a walk along the imports lead from one room to another?
fn reaches(graph: &BTreeMap<String, BTreeSet<String>>, from: &str, to: &str) -> bool {
    let mut seen = BTreeSet::new();
    let mut next = vec![from];
    while let Some(room) = next.pop() {
        for imported in graph.get(room).into_iter().flatten() {
            if imported == to {
                return true;
            }
            if seen.insert(imported) {
                next.push(imported);
            }
        }
    }
    false
}

/// Where a query may begin.
fn may_query(file: &str) -> bool {
    room(file) == "db" || room(file).ends_with("/entity")
}

#[test]
fn queries_begin_in_entity_rooms() {
    let broken: Vec<String> = lines_with(
        &[
            "Query::new(",
            "Query::with(",
            "execute_unprepared(",
            "Statement::",
            "sqlx::",
            "\"SELECT ",
            "\"INSERT ",
            "\"UPDATE ",
            "\"DELETE ",
        ],
        |file| !may_query(file),
    );
    assert!(
        broken.is_empty(),
        "SQL outside of entity/ and db/:\n{}",
        broken.join("\n")
    );
}

#[test]
fn entities_and_services_know_nothing_of_graphql_and_http() {
    let below_the_api = |file: &str| level(file) <= 4 && file != "app/services.rs";
    let broken: Vec<String> = lines_with(&["async_graphql", "actix"], below_the_api)
        .into_iter()
        // The words of the field are the API's words: an enum is named once.
        .filter(|line| !line.contains("async_graphql::Enum"))
        .collect();
    assert!(
        broken.is_empty(),
        "these know of GraphQL or HTTP:\n{}",
        broken.join("\n")
    );
}

/// The lines of certain files that contain one of the words.
fn lines_with(words: &[&str], concerned: impl Fn(&str) -> bool) -> Vec<String> {
    sources()
        .iter()
        .filter(|(file, _)| concerned(file))
        .flat_map(|(file, code)| {
            code.lines()
                .map(move |line| format!("{file}: {}", line.trim()))
        })
        .filter(|line| words.iter().any(|word| line.contains(word)))
        .filter(|line| !line.contains("use async_graphql::Enum;") && !line.contains("#[graphql("))
        .collect()
}

#[test]
fn no_file_is_longer_than_one_can_hold_in_mind() {
    let long: Vec<String> = sources()
        .into_iter()
        .map(|(file, code)| (file, code.lines().count()))
        .filter(|(_, lines)| *lines > 600)
        .map(|(file, lines)| format!("{file}: {lines}"))
        .collect();
    assert_eq!(long, Vec::<String>::new());
}

#[test]
fn paths_are_read_with_their_groups() {
    let code = "use crate::{\n    api::{Date, context::{caller, services}},\n    db::Row as R,\n};\nlet x = crate::auth::allows(1);";
    let paths: Vec<String> = crate_paths(code, "crate")
        .iter()
        .map(|path| path.join("::"))
        .collect();
    assert_eq!(
        paths,
        [
            "api::Date",
            "api::context::caller",
            "api::context::services",
            "db::Row",
            "auth::allows"
        ]
    );
}

#[test]
fn an_item_is_found_through_the_face_of_its_folder() {
    let sources = sources();
    let find = |path: &str| {
        let path: Vec<String> = path.split("::").map(str::to_owned).collect();
        resolve(&sources, &path).unwrap()
    };
    assert_eq!(find("auth::Actor"), "auth/actor.rs");
    assert_eq!(find("auth::entity::push_scope"), "auth/entity/scope.rs");
    assert_eq!(find("db::Query"), "db/query.rs");
    assert_eq!(
        find("facility::graphql::Facility"),
        "facility/graphql/types.rs"
    );
}
