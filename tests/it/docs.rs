//! The documents where they can be compared with the code: who may record which milestone, every setting
//! with its default, every metric, and every link.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use kaitsu::{
    app::{Config, config::Sources},
    auth::{OrganisationKind, Permission, Role, allows},
    milestone::{Blocker, Milestone, authority::may_record},
};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The rows of the table under the heading whose first cell is `first`, headings included.
fn table(document: &str, heading: &str) -> Vec<Vec<String>> {
    let section = document.split("\n## ").find(|s| s.starts_with(heading));
    let rows: Vec<Vec<String>> = section
        .unwrap_or_else(|| panic!("no section {heading}"))
        .lines()
        .filter(|line| line.starts_with('|') && !line.starts_with("|---"))
        .map(|line| {
            let cells = line.trim_matches('|').split('|');
            cells.map(|cell| cell.trim().to_owned()).collect()
        })
        .collect();
    assert!(rows.len() > 1, "no table under {heading}");
    rows
}

fn name(value: impl serde::Serialize) -> String {
    let json = serde_json::to_value(value).unwrap();
    json.as_str().unwrap().to_owned()
}

#[test]
fn the_table_of_blockers_names_each_in_both_languages() {
    let rows = table(&read("docs/milestones.md"), "Blockers");
    let told: Vec<(String, String)> = rows[1..]
        .iter()
        .map(|row| (row[0].clone(), row[1].clone()))
        .collect();
    let expected = Blocker::ALL.map(|one| (name(one), one.label_ja().to_owned()));
    assert_eq!(told, expected);
}

#[test]
fn the_table_of_who_may_record_a_milestone_is_the_rule() {
    let rows = table(&read("docs/milestones.md"), "Who may record them");
    let kinds = &rows[0][1..];
    let milestones: Vec<&String> = rows[1..].iter().map(|row| &row[0]).collect();
    assert_eq!(
        milestones,
        Milestone::ALL.map(name).iter().collect::<Vec<_>>()
    );
    assert_eq!(
        kinds.iter().cloned().collect::<BTreeSet<_>>(),
        OrganisationKind::ALL.map(name).into_iter().collect()
    );
    for kind in OrganisationKind::ALL {
        let column = 1 + kinds.iter().position(|head| *head == name(kind)).unwrap();
        for (milestone, row) in Milestone::ALL.into_iter().zip(&rows[1..]) {
            let may = may_record(kind, milestone)
                && allows(kind, Role::Editor, Permission::MilestoneWrite);
            let expected = if may { "yes" } else { "–" };
            assert_eq!(row[column], expected, "{kind:?} records {milestone:?}");
        }
    }
}

#[test]
fn the_milestones_are_listed_in_their_order_with_their_labels() {
    let document = format!("\n## {}", read("docs/milestones.md"));
    let rows = table(&document, "# Milestones");
    let listed: Vec<(&str, &str)> = rows[1..]
        .iter()
        .map(|row| (row[0].as_str(), row[1].as_str()))
        .collect();
    let names = Milestone::ALL.map(name);
    let labels = Milestone::ALL.map(Milestone::label_ja);
    let expected: Vec<(&str, &str)> = names.iter().map(String::as_str).zip(labels).collect();
    assert_eq!(listed, expected);
}

#[test]
fn every_setting_is_in_the_manual_with_its_default() {
    let effective = Config::load(&Sources::default()).unwrap().effective();
    let mut section = String::new();
    let mut settings = BTreeMap::new();
    for line in effective.lines().filter(|line| !line.is_empty()) {
        if let Some(of) = line.strip_prefix('[') {
            section = format!("{}.", of.trim_end_matches(']'));
        } else {
            let (key, rest) = line.split_once(" = ").unwrap();
            let value = rest.strip_suffix(" # default").unwrap();
            settings.insert(format!("{section}{key}"), value.to_owned());
        }
    }
    let rows = table(&read("docs/operations.md"), "Configuration");
    let in_manual: BTreeMap<String, String> = rows[1..]
        .iter()
        .map(|row| (row[0].replace('`', ""), row[1].replace('`', "")))
        .collect();
    assert_eq!(in_manual, settings);
}

#[test]
fn every_metric_in_the_manual_is_one_that_we_measure() {
    let mut sources = String::new();
    for file in files_under(&root().join("src"), "rs") {
        sources.push_str(&fs::read_to_string(file).unwrap());
    }
    let rows = table(&read("docs/operations.md"), "What to watch");
    for row in &rows[1..] {
        let metric = row[0].trim_matches('`').split('{').next().unwrap();
        assert!(sources.contains(&format!("\"{metric}\"")), "{metric}");
    }
}

#[test]
fn links_between_documents_lead_somewhere() {
    let mut documents = files_under(&root().join("docs"), "md");
    documents.extend(["README.md", "CONTRIBUTING.md"].map(|name| root().join(name)));
    for document in documents {
        let text = fs::read_to_string(&document).unwrap();
        for link in text.split("](").skip(1) {
            let target = link.split(')').next().unwrap();
            if target.contains("://") {
                continue;
            }
            let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
            let path = match file {
                "" => document.clone(),
                file => document.parent().unwrap().join(file),
            };
            assert!(path.exists(), "{} → {target}", document.display());
            if !anchor.is_empty() {
                let headings = anchors(&fs::read_to_string(path).unwrap());
                assert!(
                    headings.contains(anchor),
                    "{} → {target}",
                    document.display()
                );
            }
        }
    }
}

#[test]
fn files_that_documents_name_are_there() {
    let mut documents = files_under(&root().join("docs"), "md");
    documents.extend(["README.md", "CONTRIBUTING.md"].map(|name| root().join(name)));
    let mut named = 0;
    for document in documents {
        let text = fs::read_to_string(&document).unwrap();
        for path in text.split('`').skip(1).step_by(2) {
            let is_path = path.contains('/') && !path.contains(char::is_whitespace);
            let is_ours = path.ends_with(".rs") || path.starts_with("src/");
            if is_path && is_ours && !path.contains("YYYY") {
                let found = ["", "src"]
                    .iter()
                    .any(|base| root().join(base).join(path).exists());
                assert!(found, "{} → {path}", document.display());
                named += 1;
            }
        }
    }
    assert!(named > 20, "{named}");
}

#[test]
fn every_decision_is_in_the_list() {
    let list = read("docs/decisions/README.md");
    for file in files_under(&root().join("docs/decisions"), "md") {
        let name = file.file_name().unwrap().to_str().unwrap();
        assert!(name == "README.md" || list.contains(name), "{name}");
    }
}

/// The anchors of a document's headings.
fn anchors(text: &str) -> BTreeSet<String> {
    let headings = text.lines().filter(|line| line.starts_with('#'));
    headings
        .map(|line| {
            let words = line.trim_start_matches('#').trim().to_lowercase();
            let kept = words
                .chars()
                .filter(|c| c.is_alphanumeric() || " -".contains(*c));
            kept.map(|c| if c == ' ' { '-' } else { c }).collect()
        })
        .collect()
}

fn files_under(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files_under(&path, extension));
        } else if path.extension().is_some_and(|found| found == extension) {
            found.push(path);
        }
    }
    found.sort();
    found
}
