//! Publishing checklists.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use crate::{
    auth::{OrganisationKind, Permission, input::checked_text},
    change::{self, WriteError, Writer},
    facility::FacilityKind,
    installation::{Checklist, ChecklistItem, InstallationProblem as Problem, entity},
    milestone,
};

/// Most items of a list.
const MOST_ITEMS: usize = 50;
/// Longest code or label, in characters.
const MOST_TEXT: usize = 100;

/// What became of a list.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChecklistOutcome {
    /// The list as it was published.
    pub checklist: Option<Checklist>,
    /// Why it was not, each with its place below the input.
    pub problems: Vec<(Vec<String>, Problem)>,
}

/// Publishes a list for facilities of a kind: orders that are opened from now on follow it.
pub async fn publish(
    writer: &Writer<'_>,
    kind: FacilityKind,
    items: Vec<ChecklistItem>,
    expected_version: Option<i32>,
) -> Result<ChecklistOutcome, WriteError> {
    let mut outcome = ChecklistOutcome::default();
    let transaction = writer.database.begin().await?;
    // Two kinds of organisation have the permission over every facility; the list is the ministry's.
    let organisation = writer
        .actor
        .grants_with(Permission::InstallationWrite)
        .find(|grant| grant.kind == OrganisationKind::Ministry)
        .map(|grant| grant.organisation);
    if organisation.is_none() && writer.actor.identity != crate::auth::Identity::System {
        let forbidden = milestone::Problem::Forbidden;
        outcome.problems.push((Vec::new(), forbidden.into()));
        return writer.refuse(transaction, outcome).await;
    }
    let lists = entity::checklists(&transaction).await?;
    let newest = lists.iter().rfind(|list| list.kind == kind);
    let current = newest.map_or(Checklist::BUILT_IN, |list| list.version);
    if expected_version.is_some_and(|expected| expected != current) {
        let at = vec!["expectedVersion".to_owned()];
        outcome
            .problems
            .push((at, Problem::StaleVersion { current }));
    }
    outcome.problems.extend(check(&items));
    let checklist = Checklist {
        kind,
        version: current + 1,
        items,
    };
    if outcome.problems.is_empty() && newest.is_some_and(|list| list.items == checklist.items) {
        let nothing = milestone::Problem::NothingToDo;
        outcome.problems.push((Vec::new(), nothing.into()));
    }
    if !outcome.problems.is_empty() || writer.dry_run {
        return writer.refuse(transaction, outcome).await;
    }
    let change = change::record(
        &transaction,
        writer,
        organisation,
        "installationChecklistPublish",
    )
    .await?;
    if !entity::publish(&transaction, &checklist, change).await? {
        // Somebody published this version since we looked.
        let at = vec!["expectedVersion".to_owned()];
        let current = checklist.version;
        outcome
            .problems
            .push((at, Problem::StaleVersion { current }));
        return writer.leave_nothing(transaction, outcome).await;
    }
    outcome.checklist = Some(checklist);
    writer.finish(transaction, outcome).await
}

fn check(items: &[ChecklistItem]) -> Vec<(Vec<String>, Problem)> {
    let at = |position: usize, field: &str| {
        vec!["items".to_owned(), position.to_string(), field.to_owned()]
    };
    let mut problems = Vec::new();
    if !(1..=MOST_ITEMS).contains(&items.len()) {
        let wrong = Problem::OutOfRange {
            field: "items".to_owned(),
            least: 1,
            most: i32::try_from(MOST_ITEMS).unwrap_or(i32::MAX),
        };
        return vec![(vec!["items".to_owned()], wrong)];
    }
    let mut seen = HashSet::new();
    let bad_text = || Problem::from(milestone::Problem::BadText { most: MOST_TEXT });
    for (position, item) in items.iter().enumerate() {
        let word = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
        let fits = (1..=MOST_TEXT).contains(&item.code.len()) && item.code.chars().all(word);
        if !fits {
            problems.push((at(position, "code"), bad_text()));
        } else if !seen.insert(item.code.as_str()) {
            let first = items.iter().position(|one| one.code == item.code);
            let first = first.unwrap_or_default();
            problems.push((at(position, "code"), Problem::DuplicateRow { first }));
        }
        for (field, label) in [("labelJa", &item.label_ja), ("labelEn", &item.label_en)] {
            if checked_text(label, MOST_TEXT).is_err() {
                problems.push((at(position, field), bad_text()));
            }
        }
    }
    problems
}
