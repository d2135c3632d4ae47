//! A file arrives: it is looked at as a whole, and kept if it can be read.

use std::{
    fs::File,
    io::{Read, Seek},
    ops::ControlFlow,
};

use chrono::NaiveDate;

use super::{on_disk, request::can_confirm, spool::columns_of};
use crate::{
    app::Services,
    auth::Actor,
    db::{DbErr, OrganisationId},
    milestone::{
        Problem,
        authority::{may_record_anything, organisations_that_record},
    },
    sheet::{
        SheetId, SheetProblem, SheetStatus,
        column::Columns,
        entity::{self, CHUNK_BYTES, NewSheet},
        read::{self, FileProblem, Layout, Limits, ReadError},
    },
};

/// Rows among which the headings are looked for.
const HEAD: usize = 20;

/// A file that has arrived whole.
#[derive(Debug)]
pub struct Received {
    /// Its bytes, in a file that nobody else can see.
    pub file: File,
    /// Its name.
    pub name: String,
    /// The SHA-256 of its bytes.
    pub digest: Vec<u8>,
    /// How many there are.
    pub bytes: u64,
    /// Up to which day everything is recorded once it is applied, as its sender says.
    pub complete_to: Option<NaiveDate>,
}

/// Why a file was not kept.
#[derive(Debug, thiserror::Error)]
pub enum UploadError {
    /// Something is wrong with it, or with whoever sends it.
    #[error("the file is refused")]
    Refused(SheetProblem),
    /// Ours.
    #[error(transparent)]
    Database(#[from] DbErr),
}

impl From<ReadError> for UploadError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Problem(problem) => Self::Refused(problem.into()),
            ReadError::Io(error) => Self::Database(on_disk(error)),
        }
    }
}

/// Keeps a file and begins to check it, if its headings say which column is which.
///
/// # Errors
/// It can't be read, or whoever sends it may record nothing; nothing is kept then.
pub async fn upload(
    services: &Services,
    actor: &Actor,
    organisation: Option<OrganisationId>,
    received: Received,
) -> Result<SheetId, UploadError> {
    let Received {
        file,
        name,
        digest,
        bytes,
        complete_to,
    } = received;
    let today = services.clock.today();
    let organisation =
        admit(actor, organisation, complete_to, today).map_err(UploadError::Refused)?;
    let called = name.clone();
    let looked = tokio::task::spawn_blocking(move || {
        let found = look(&file, &called, complete_to.is_some())?;
        Ok::<_, ReadError>((file, found))
    });
    let (mut file, (layout, columns, row_count)) = looked.await.map_err(on_disk)??;
    let status = if columns.problems().is_empty() {
        SheetStatus::Checking
    } else {
        SheetStatus::NeedsColumns
    };
    let sheet = NewSheet {
        organisation,
        sender: actor.identity.clone(),
        name,
        digest,
        byte_count: i64::try_from(bytes).unwrap_or(i64::MAX),
        layout,
        columns,
        row_count,
        status,
        complete_to,
    };
    let transaction = services.database.begin().await?;
    let id = entity::insert(&transaction, &sheet, services.clock.now()).await?;
    file.rewind().map_err(on_disk)?;
    for position in 0.. {
        let mut content = Vec::new();
        let limit = u64::try_from(CHUNK_BYTES).unwrap_or(u64::MAX);
        (&file)
            .take(limit)
            .read_to_end(&mut content)
            .map_err(on_disk)?;
        if content.is_empty() {
            break;
        }
        entity::insert_chunk(&transaction, id, position, content).await?;
    }
    transaction.commit().await?;
    services.sheets.notify_one();
    Ok(id)
}

/// In whose name a file may be sent, before it is.
///
/// # Errors
/// Whoever sends it may record nothing, or may not confirm what it is to confirm.
pub fn admit(
    actor: &Actor,
    named: Option<OrganisationId>,
    complete_to: Option<NaiveDate>,
    today: NaiveDate,
) -> Result<Option<OrganisationId>, SheetProblem> {
    if !may_record_anything(actor) {
        return Err(SheetProblem::Forbidden);
    }
    let organisation = in_name_of(actor, named)?;
    if let Some(day) = complete_to {
        can_confirm(actor, organisation, day, today)?;
    }
    Ok(organisation)
}

/// In whose name a file is sent: the organisation that is named, or the only one in which its sender may record anything.
fn in_name_of(
    actor: &Actor,
    named: Option<OrganisationId>,
) -> Result<Option<OrganisationId>, SheetProblem> {
    let mut theirs = organisations_that_record(actor);
    match named {
        Some(named) if theirs.contains(&named) => Ok(Some(named)),
        Some(_) => Err(SheetProblem::Facility(Problem::UnknownOrganisation)),
        None if theirs.len() > 1 => Err(SheetProblem::WhoseIsIt),
        None => Ok(theirs.pop()),
    }
}

/// What kind of file it is, its columns, and how many rows it has.
fn look(file: &File, name: &str, may_be_empty: bool) -> Result<(Layout, Columns, i32), ReadError> {
    let limits = Limits::default();
    let layout = read::inspect(file, name, &limits)?;
    let mut head = Vec::new();
    let mut count = 0_i32;
    read::rows(file, &layout, &limits, &mut |number, cells| {
        if head.len() < HEAD {
            head.push((number, cells));
        }
        count += 1;
        ControlFlow::Continue(())
    })?;
    let columns = columns_of(&head);
    let above = head
        .iter()
        .filter(|(number, _)| *number <= columns.heading_row)
        .count();
    let row_count = count - i32::try_from(above).unwrap_or(i32::MAX);
    if row_count == 0 && !may_be_empty {
        return Err(FileProblem::Empty.into());
    }
    Ok((layout, columns, row_count))
}
