//! Mutations of sheets.

use async_graphql::{Context, ID, InputObject, Object, SimpleObject};

use super::{
    query::sheets_by_id,
    types::{Sheet, SheetField, user_error},
};
use crate::{
    api::{
        ApiError, ApiResult, Date, NodeId, UserError, UserErrorCode, WriteOptions,
        context::{caller, services, writer},
        node_id::NodeKind,
    },
    facility::graphql::user_errors,
    milestone::{Milestone, service::ErrorPolicy},
    sheet::{
        SheetId, SheetProblem,
        column::Field,
        service::{self, ApplyRequest, CheckRequest, SheetOutcome},
    },
};

/// Most columns that can be named.
const MOST_COLUMNS: usize = 200;

/// What a column holds.
#[derive(Clone, Debug, InputObject)]
pub struct SheetColumnInput {
    /// Its position, from 0.
    position: i32,
    /// What it holds.
    field: SheetField,
    /// Of which milestone, where it holds days of one.
    milestone: Option<Milestone>,
}

/// A sheet to be checked anew.
#[derive(Debug, InputObject)]
pub struct SheetCheckInput {
    /// Global id of the sheet.
    sheet_id: ID,
    /// What its columns hold; those that are not named are left alone. Not given: they are guessed by their headings.
    columns: Option<Vec<SheetColumnInput>>,
    /// The name of saved columns, which are used by their headings instead.
    saved_columns: Option<String>,
    /// A name under which to save these columns for your organisation, in the place of those that have it.
    save_as: Option<String>,
    #[graphql(flatten)]
    options: WriteOptions,
}

/// A sheet to be applied.
#[derive(Debug, InputObject)]
pub struct SheetApplyInput {
    /// Global id of the sheet.
    sheet_id: ID,
    /// What becomes of it if some of its rows are refused.
    #[graphql(default_with = "ErrorPolicy::RejectAll")]
    error_policy: ErrorPolicy,
    /// Apply it although a file of the same content was applied before and not undone.
    #[graphql(default)]
    again: bool,
    /// Leave others room: it takes about twice as long.
    #[graphql(default = true)]
    gentle: bool,
    /// Confirm that everything that happened up to this day, included, is recorded once it is applied, as
    /// `reportingConfirm` does; even if none of its rows would change anything. No row may be refused then. Not given:
    /// the day that was given when it was sent, if any was.
    complete_to: Option<Date>,
    /// Confirm nothing, whatever was given when it was sent.
    #[graphql(default)]
    without_confirmation: bool,
    #[graphql(flatten)]
    options: WriteOptions,
}

/// A sheet to be stopped.
#[derive(Debug, InputObject)]
pub struct SheetCancelInput {
    /// Global id of the sheet.
    sheet_id: ID,
    #[graphql(flatten)]
    options: WriteOptions,
}

/// A sheet to be undone.
#[derive(Debug, InputObject)]
pub struct SheetUndoInput {
    /// Global id of the sheet.
    sheet_id: ID,
    /// Leave others room: it takes about twice as long.
    #[graphql(default = true)]
    gentle: bool,
    #[graphql(flatten)]
    options: WriteOptions,
}

/// Saved columns to be removed.
#[derive(Debug, InputObject)]
pub struct SheetMappingDeleteInput {
    /// Their name.
    name: String,
    #[graphql(flatten)]
    options: WriteOptions,
}

/// What became of a request about a sheet.
#[derive(Debug, SimpleObject)]
pub struct SheetPayload {
    /// The sheet as it stands now; null if there is none, or none that you can see.
    sheet: Option<Sheet>,
    /// Why it was refused; empty if it was not.
    user_errors: Vec<UserError>,
}

/// What became of saved columns.
#[derive(Debug, SimpleObject)]
pub struct SheetMappingPayload {
    /// Why they were not removed; empty if they were.
    user_errors: Vec<UserError>,
}

/// Mutations of sheets.
#[derive(Default)]
pub struct SheetMutation;

#[Object]
impl SheetMutation {
    /// Says what the columns of a sheet hold and checks its rows anew, until it is applied.
    async fn sheet_check(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Which column is which.")] input: SheetCheckInput,
    ) -> ApiResult<SheetPayload> {
        let id = sheet_of(&input.sheet_id);
        let columns = match input.columns.map(fields).transpose()? {
            None => None,
            Some(Ok(columns)) => Some(columns),
            Some(Err(wrong)) => return Ok(wrong.into()),
        };
        let request = CheckRequest {
            columns,
            saved: input.saved_columns,
            save_as: input.save_as,
        };
        let written = async {
            let writer = writer(context, "sheetCheck", &input.options, &(id, &request))?;
            ApiResult::Ok(service::check(&writer, id, &request).await?)
        };
        payload(context, written.await).await
    }

    /// Writes what the rows of a checked sheet were shown to change, in the background: a thousand rows in a change.
    /// A row whose facility has changed meanwhile becomes a conflict.
    async fn sheet_apply(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "How.")] input: SheetApplyInput,
    ) -> ApiResult<SheetPayload> {
        let id = sheet_of(&input.sheet_id);
        let request = ApplyRequest {
            without_refused: input.error_policy == ErrorPolicy::RejectFailedRows,
            again: input.again,
            gentle: input.gentle,
            complete_to: input.complete_to.map(|day| day.0),
            without_confirmation: input.without_confirmation,
        };
        let written = async {
            let writer = writer(context, "sheetApply", &input.options, &(id, &request))?;
            ApiResult::Ok(service::apply(&writer, id, request).await?)
        };
        payload(context, written.await).await
    }

    /// Stops what is under way with a sheet, or gives up one that was not applied. Rows that were written stay, and can
    /// be undone.
    async fn sheet_cancel(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Which.")] input: SheetCancelInput,
    ) -> ApiResult<SheetPayload> {
        let id = sheet_of(&input.sheet_id);
        let written = async {
            let writer = writer(context, "sheetCancel", &input.options, &id)?;
            ApiResult::Ok(service::cancel(&writer, id).await?)
        };
        payload(context, written.await).await
    }

    /// Takes back what a sheet wrote, in the background, by new changes. Rows whose facilities have changed since stay
    /// and say so.
    async fn sheet_undo(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Which.")] input: SheetUndoInput,
    ) -> ApiResult<SheetPayload> {
        let id = sheet_of(&input.sheet_id);
        let written = async {
            let writer = writer(context, "sheetUndo", &input.options, &(id, input.gentle))?;
            ApiResult::Ok(service::undo(&writer, id, input.gentle).await?)
        };
        payload(context, written.await).await
    }

    /// Removes columns that were saved under a name.
    async fn sheet_mapping_delete(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Which.")] input: SheetMappingDeleteInput,
    ) -> ApiResult<SheetMappingPayload> {
        let written = async {
            let operation = "sheetMappingDelete";
            let writer = writer(context, operation, &input.options, &input.name)?;
            ApiResult::Ok(service::delete_mapping(&writer, &input.name).await?)
        };
        let SheetPayload { user_errors, .. } = payload(context, written.await).await?;
        Ok(SheetMappingPayload { user_errors })
    }
}

/// An id of another type names no sheet.
fn sheet_of(id: &ID) -> SheetId {
    SheetId(NodeId::row_of(id, NodeKind::Sheet).unwrap_or(0))
}

type Fields = Result<Vec<(i32, Field)>, UserError>;

fn fields(columns: Vec<SheetColumnInput>) -> ApiResult<Fields> {
    if columns.len() > MOST_COLUMNS {
        let message = format!("name at most {MOST_COLUMNS} columns");
        return Err(ApiError::bad_input("LIST_TOO_LONG", message));
    }
    let field = |(place, column): (usize, SheetColumnInput)| {
        let field = column.field.with(column.milestone);
        field
            .map(|field| (column.position, field))
            .ok_or_else(|| UserError {
                code: UserErrorCode::Missing,
                path: ["input", "columns", &place.to_string(), "milestone"]
                    .map(str::to_owned)
                    .to_vec(),
                message: "段階を指定してください。 / Say of which milestone.".to_owned(),
            })
    };
    Ok(columns.into_iter().enumerate().map(field).collect())
}

impl From<UserError> for SheetPayload {
    fn from(error: UserError) -> Self {
        Self {
            sheet: None,
            user_errors: vec![error],
        }
    }
}

/// Where in the input a problem lies.
fn path_of(problem: &SheetProblem) -> Vec<String> {
    let is_of_it = matches!(
        problem,
        SheetProblem::Reporting(_) | SheetProblem::NotAllRecorded { .. }
    );
    let field = is_of_it.then_some("completeTo");
    let path = ["input"].into_iter().chain(field);
    path.map(str::to_owned).collect()
}

async fn payload(
    context: &Context<'_>,
    written: ApiResult<SheetOutcome>,
) -> ApiResult<SheetPayload> {
    let actor = &caller(context)?.actor;
    services(context)?.sheets.notify_one();
    services(context)?.written.notify_one();
    let outcome = match written {
        Err(ApiError::Refused(problems)) => {
            return Ok(SheetPayload {
                sheet: None,
                user_errors: user_errors(&problems, actor, &["input"]),
            });
        }
        written => written?,
    };
    let ids: Vec<i64> = outcome.sheet.iter().map(|id| id.0).collect();
    let sheet = sheets_by_id(context, &ids).await?.into_values().next();
    let user_errors = outcome
        .problems
        .iter()
        .map(|problem| user_error(problem, path_of(problem), actor.language))
        .collect();
    Ok(SheetPayload { sheet, user_errors })
}
