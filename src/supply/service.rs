//! Keeping the catalogue.

use serde::{Deserialize, Serialize};

use super::{
    HardwareClass, Model, ModelEntry, ModelId, SupplyProblem as Problem,
    entity::{self, lock_supplier, number_is_taken},
};
use crate::{
    auth::{Actor, Identity, OrganisationKind, Permission, input::checked_text},
    change::{self, WriteError, Writer},
    db::OrganisationId,
};

/// Longest name of a model, in characters.
pub const MOST_NAME: usize = 100;
/// Longest number of a model, in characters.
pub const MOST_NUMBER: usize = 60;
/// Most models of one supplier, those that are discontinued too.
pub const MOST_MODELS: i64 = 1_000;

/// An entry to be written.
#[derive(Clone, Debug, Serialize)]
pub struct SaveRequest {
    /// The model that it is of; a new one if none.
    pub id: Option<ModelId>,
    /// Whose a new one is.
    pub supplier: OrganisationId,
    /// What is to be said.
    pub entry: ModelEntry,
    /// The version that the caller read.
    pub expected_version: Option<i32>,
}

/// What became of an entry.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// The model; `None` if there is none.
    pub model: Option<ModelId>,
    /// What is wrong, and with which fields of the input.
    pub problems: Vec<(String, Problem)>,
}

impl Outcome {
    fn refused(field: &str, problem: Problem) -> Self {
        Self {
            model: None,
            problems: vec![(field.to_owned(), problem)],
        }
    }
}

/// Writes the entry of a model, or of a new one. What is said already writes nothing.
pub async fn save(writer: &Writer<'_>, request: &SaveRequest) -> Result<Outcome, WriteError> {
    let transaction = writer.database.begin().await?;
    let database = writer.database;
    let before = match request.id {
        Some(id) => {
            let found = entity::find(database, &transaction, &[id]).await?;
            let Some(model) = found.into_iter().next() else {
                let refused = Outcome::refused("id", Problem::NotFound);
                return writer.refuse(transaction, refused).await;
            };
            Some(model)
        }
        None => None,
    };
    let supplier = before
        .as_ref()
        .map_or(request.supplier, |model| model.supplier.id);
    let Some(count) = lock_supplier(database, &transaction, supplier).await? else {
        let refused = Outcome::refused("supplierId", Problem::UnknownSupplier);
        return writer.refuse(transaction, refused).await;
    };
    let field = if before.is_some() { "id" } else { "supplierId" };
    let Some(in_name_of) = keeper(writer.actor, supplier) else {
        let refused = Outcome::refused(field, Problem::Forbidden);
        return writer.refuse(transaction, refused).await;
    };
    // Again, for it was read before others were kept out.
    let before = match &before {
        Some(model) => entity::find(database, &transaction, &[model.id])
            .await?
            .into_iter()
            .next(),
        None => None,
    };
    let mut outcome = Outcome {
        model: before.as_ref().map(|model| model.id),
        problems: Vec::new(),
    };
    let entry = tidied(&request.entry);
    let mut problems = slips(&entry);
    if let Some(model) = &before {
        problems.extend(against(model, request, &entry));
    } else if count >= MOST_MODELS {
        problems.push(("supplierId", Problem::TooMany { most: MOST_MODELS }));
    }
    if number_is_taken(&transaction, supplier, &entry.number, request.id).await? {
        problems.push(("number", Problem::NumberTaken));
    }
    let readers = entity::find(database, &transaction, &entry.readers).await?;
    let is_reader = |id: &ModelId| {
        let mut readers = readers.iter();
        readers.any(|model| model.id == *id && model.entry.class == HardwareClass::Reader)
    };
    if !entry.readers.iter().all(is_reader) {
        problems.push(("readerIds", Problem::NoReader));
    }
    outcome.problems = problems
        .into_iter()
        .map(|(field, problem)| (field.to_owned(), problem))
        .collect();
    let nothing = before.as_ref().is_some_and(|model| model.entry == entry);
    if !outcome.problems.is_empty() || writer.dry_run {
        return writer.refuse(transaction, outcome).await;
    }
    if !nothing {
        let version = before.as_ref().map_or(0, |model| model.version) + 1;
        let operation = "hardwareModelSave";
        let change = change::record(&transaction, writer, in_name_of, operation).await?;
        let id = outcome.model;
        let id = entity::write(&transaction, id, supplier, &entry, version, change).await?;
        outcome.model = Some(id);
    }
    writer.finish(transaction, outcome).await
}

/// In whose name the actor may keep a supplier's models: the supplier's own, or that of staff who keep everyone's. `None`
/// if the actor may not; `Some(None)` for the operator.
fn keeper(actor: &Actor, supplier: OrganisationId) -> Option<Option<OrganisationId>> {
    if actor.identity == Identity::System {
        return Some(None);
    }
    actor
        .grants_with(Permission::SupplyWrite)
        .find(|grant| grant.organisation == supplier || grant.kind != OrganisationKind::Supplier)
        .map(|grant| Some(grant.organisation))
}

/// Without spaces around its texts, and with its sets in their order.
fn tidied(entry: &ModelEntry) -> ModelEntry {
    let mut entry = entry.clone();
    entry.name = entry.name.trim().to_owned();
    entry.number = entry.number.trim().to_owned();
    entry.kinds.sort_unstable_by_key(|kind| kind.code());
    entry.kinds.dedup();
    entry.lines.sort_unstable();
    entry.lines.dedup();
    entry.readers.sort_unstable();
    entry.readers.dedup();
    entry
}

/// What is wrong with an entry by itself.
fn slips(entry: &ModelEntry) -> Vec<(&'static str, Problem)> {
    let mut slips = Vec::new();
    for (field, text, most) in [
        ("name", &entry.name, MOST_NAME),
        ("number", &entry.number, MOST_NUMBER),
    ] {
        if checked_text(text, most).is_err() {
            slips.push((field, Problem::BadText { most }));
        }
    }
    if entry.kinds.is_empty() {
        slips.push(("kinds", Problem::Missing));
    }
    let is_reader = entry.class == HardwareClass::Reader;
    if is_reader && !entry.lines.is_empty() {
        slips.push(("lines", Problem::NotOfItsClass));
    }
    if !is_reader && entry.lines.is_empty() {
        slips.push(("lines", Problem::Missing));
    }
    if entry.class != HardwareClass::Pc && !entry.readers.is_empty() {
        slips.push(("readerIds", Problem::NotOfItsClass));
    }
    slips
}

/// What is wrong with an entry in the place of the one that is there.
fn against(
    before: &Model,
    request: &SaveRequest,
    entry: &ModelEntry,
) -> Vec<(&'static str, Problem)> {
    let mut problems = Vec::new();
    let current = before.version;
    if request
        .expected_version
        .is_some_and(|expected| expected != current)
    {
        problems.push(("expectedVersion", Problem::StaleVersion { current }));
    }
    if before.entry.class != entry.class {
        problems.push(("class", Problem::ClassStays));
    }
    problems
}
