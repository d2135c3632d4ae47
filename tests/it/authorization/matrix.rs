//! The matrix of roles and root fields.

use std::{collections::BTreeMap, fmt::Write, path::Path};

use async_graphql::parser::types::OperationType;
use kaitsu::{
    api::policy::RootField,
    auth::{OrganisationKind as Kind, Permission, Role, allows},
    db::Backend,
};
use rstest::rstest;
use serde_json::Value;

use super::{
    asks::{Aim, ask},
    scene::{Scene, Someone, Target},
};

/// Outcomes by field and caller: within reach, and beyond it.
type Matrix = BTreeMap<(usize, usize), (String, Option<String>)>;

const ALLOWED: &str = "ok";

#[rstest]
#[tokio::test]
async fn every_root_field_answers_every_role_as_the_matrix_says_and_what_is_denied_changes_nothing(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let scene = Scene::new(backend).await;
    let everyone = scene.everyone();
    let mut matrix = Matrix::new();
    for (column, someone) in everyone.iter().enumerate() {
        // Wrong secrets are counted; each caller begins anew.
        scene.world.database.run("DELETE FROM login_throttle").await;
        for (row, field) in RootField::ALL.iter().enumerate() {
            let unique = (row * 100 + column) * 10;
            let inside = outcome(&scene, someone, *field, &scene.inside, unique, true).await;
            let aim = ask(*field, &scene.outside, someone.kind, 0).aim;
            let outside = if aim == Aim::Nothing {
                None
            } else {
                Some(outcome(&scene, someone, *field, &scene.outside, unique + 1, true).await)
            };
            if aim == Aim::Facility && !sees_everything(someone.kind) {
                assert_ne!(
                    outside.as_deref(),
                    Some(ALLOWED),
                    "{field:?} as {:?} {}",
                    someone.kind,
                    someone.role
                );
            }
            matrix.insert((row, column), (inside, outside));
        }
        denied_calls_change_nothing(&scene, someone, column, &matrix).await;
    }
    compare(&document(&everyone, &matrix));
}

fn sees_everything(kind: Option<Kind>) -> bool {
    matches!(
        kind,
        Some(Kind::Ministry | Kind::PaymentFund | Kind::Auditor)
    )
}

/// Repeats for real what was denied when it was tried.
async fn denied_calls_change_nothing(
    scene: &Scene,
    someone: &Someone,
    column: usize,
    matrix: &Matrix,
) {
    let before = scene.everything().await;
    for (row, field) in RootField::ALL.iter().enumerate() {
        let (inside, outside) = &matrix[&(row, column)];
        let unique = (row * 100 + column) * 10 + 5;
        for (target, tried) in [
            (&scene.inside, Some(inside)),
            (&scene.outside, outside.as_ref()),
        ] {
            let Some(tried) = tried.filter(|tried| *tried != ALLOWED) else {
                continue;
            };
            let done = outcome(scene, someone, *field, target, unique, false).await;
            assert_eq!(
                done, *tried,
                "{field:?} as {:?} {}: a dry run says the same",
                someone.kind, someone.role
            );
        }
    }
    for (before, after) in before.into_iter().zip(scene.everything().await) {
        assert_eq!(
            before, after,
            "a denied call of {:?} {} wrote",
            someone.kind, someone.role
        );
    }
}

/// What a call came to, in a word.
async fn outcome(
    scene: &Scene,
    someone: &Someone,
    field: RootField,
    target: &Target,
    unique: usize,
    dry: bool,
) -> String {
    let ask = ask(field, target, someone.kind, unique);
    if field.operation() == OperationType::Subscription {
        // Who may subscribe is the policy's word; what comes is tested with the feed.
        let fields = [field.name().to_owned()];
        let checked = kaitsu::api::policy::check(&someone.actor, field.operation(), &fields);
        return checked.map_or_else(
            |denial| format!("{denial:?}").to_uppercase(),
            |()| ALLOWED.to_owned(),
        );
    }
    let variables = if dry { ask.dry() } else { ask.variables };
    let response = scene
        .call(&someone.actor, field, &ask.document, variables)
        .await;
    if let Some(error) = response["errors"].get(0) {
        return error["extensions"]["code"]
            .as_str()
            .unwrap_or_else(|| panic!("{field:?}: {response:#}"))
            .to_owned();
    }
    let answer = &response["data"][field.name()];
    let mut codes = Vec::new();
    user_errors(answer, &mut codes);
    if !codes.is_empty() {
        codes.dedup();
        return codes.join(", ");
    }
    if is_nothing(answer) {
        "nothing".to_owned()
    } else {
        ALLOWED.to_owned()
    }
}

fn user_errors(value: &Value, codes: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                match value {
                    Value::String(code) if name == "code" => codes.push(code.clone()),
                    value => user_errors(value, codes),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| user_errors(item, codes)),
        _ => {}
    }
}

/// Null, an empty list, or a count of zero, however deep; but a payload without errors is something.
fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Number(number) => number.as_i64() == Some(0),
        Value::Array(items) => items.iter().all(is_nothing),
        Value::Object(fields) => {
            !fields.contains_key("userErrors")
                && !fields.contains_key("rows")
                && fields.values().all(is_nothing)
        }
        _ => false,
    }
}

/// The document that a reviewer reads.
fn document(everyone: &[Someone], matrix: &Matrix) -> String {
    let mut text = String::from(
        "# Who may do what\n\n\
         Written by `scripts/snapshots` from what the API answers; a test calls every root field as every role on both\n\
         databases and compares. To change it, change `allows` in `src/auth/actor.rs` or `policy` in `src/api/policy.rs`.\n\n\
         ## Permissions\n\n\
         The least role that has a permission; a membership reaches the facilities of its organisation only. A service\n\
         token has MEMBERS_MANAGE, ACCOUNTS_HELP and ORGANISATION_WRITE never: they need a person.\n\n",
    );
    permissions(&mut text);
    text.push_str(
        "\n## Root fields\n\n\
         What comes back, at a facility or organisation within the caller's reach / at one beyond it. `ok`: it was done or\n\
         shown. `nothing`: null, an empty list or a count of 0, as if it did not exist. A code: the error. MINISTRY,\n\
         PAYMENT_FUND and AUDITOR reach every facility, a SUPPLIER none. A kind without roles\n\
         beside it stands for all of them.\n",
    );
    for operation in [
        OperationType::Query,
        OperationType::Mutation,
        OperationType::Subscription,
    ] {
        for (row, field) in RootField::ALL
            .iter()
            .enumerate()
            .filter(|(_, field)| field.operation() == operation)
        {
            let _ = write!(text, "\n### {} `{}`\n\n", operation, field.name());
            for (answer, callers) in answers(everyone, matrix, row) {
                let _ = writeln!(text, "- **{answer}**: {}", callers.join(", "));
            }
        }
    }
    text
}

fn permissions(text: &mut String) {
    let names: Vec<String> = Kind::ALL.iter().map(|kind| name(*kind)).collect();
    let _ = writeln!(text, "| permission | {} |", names.join(" | "));
    let _ = writeln!(text, "|---|{}", "---|".repeat(names.len()));
    for permission in Permission::ALL {
        let least = Kind::ALL.map(|kind| {
            let role = Role::ALL
                .into_iter()
                .find(|role| role.is_in(kind) && allows(kind, *role, permission));
            role.map_or_else(|| "–".to_owned(), |role| format!("{role:?}").to_uppercase())
        });
        let _ = writeln!(text, "| {} | {} |", permission.name(), least.join(" | "));
    }
}

fn name(kind: Kind) -> String {
    serde_json::to_value(kind)
        .unwrap()
        .as_str()
        .unwrap()
        .to_owned()
}

/// A kind of caller with the roles in question.
type Caller<'a> = (String, Vec<&'a str>);

/// Who gets which answer from a field, in the order of the callers.
fn answers(everyone: &[Someone], matrix: &Matrix, row: usize) -> Vec<(String, Vec<String>)> {
    let mut answers: Vec<(String, Vec<Caller<'_>>)> = Vec::new();
    for (column, someone) in everyone.iter().enumerate() {
        let (inside, outside) = &matrix[&(row, column)];
        let answer = match outside {
            Some(outside) => format!("{inside} / {outside}"),
            None => inside.clone(),
        };
        let place = answers.iter().position(|(known, _)| *known == answer);
        let place = place.unwrap_or_else(|| {
            answers.push((answer, Vec::new()));
            answers.len() - 1
        });
        let callers = &mut answers[place].1;
        let is_member = someone.kind.is_some() && !someone.role.starts_with("token");
        let caller = someone
            .kind
            .filter(|_| is_member)
            .map_or_else(|| someone.role.to_owned(), name);
        let roles = match callers.iter().position(|(known, _)| *known == caller) {
            Some(known) => &mut callers[known].1,
            None => {
                callers.push((caller, Vec::new()));
                &mut callers.last_mut().unwrap().1
            }
        };
        if is_member {
            roles.push(someone.role);
        }
    }
    answers
        .into_iter()
        .map(|(answer, callers)| {
            let callers = callers.into_iter().map(|(caller, roles)| {
                let kind = Kind::ALL.into_iter().find(|kind| name(*kind) == caller);
                let all = kind.map_or(0, |kind| {
                    Role::ALL.iter().filter(|role| role.is_in(kind)).count()
                });
                match roles.len() {
                    some if (1..all).contains(&some) => {
                        format!("{caller} ({})", roles.join(", "))
                    }
                    _ => caller,
                }
            });
            (answer, callers.collect())
        })
        .collect()
}

fn compare(document: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/authorization.md");
    if std::env::var_os("KAITSU_WRITE_SNAPSHOTS").is_some() {
        std::fs::write(&path, document).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    let differing: Vec<(&str, &str)> = document
        .lines()
        .zip(committed.lines())
        .filter(|(present, committed)| present != committed)
        .collect();
    assert!(
        document == committed,
        "docs/authorization.md differs; look at it, and run scripts/snapshots if it is right: (present, committed) {differing:#?}"
    );
}
