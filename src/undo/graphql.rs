//! Changes as those see them in whose name they were made, and undoing them.

use std::collections::HashMap;

use async_graphql::{
    ComplexObject, Context, ID, InputObject, Object, SimpleObject,
    connection::{Connection, Edge},
};
use chrono::{DateTime, Utc};

use super::{
    entity::{self, ChangeRow},
    service::{self, UndoOutcome},
};
use crate::{
    api::{
        ApiError, ApiResult, NodeId, PageArguments, WriteOptions,
        context::{caller, services, writer},
        node_id::NodeKind,
        page::{Fingerprint, row_of_cursor},
    },
    auth::Permission,
    change::Source,
    db::ChangeId,
    facility::graphql::{
        ActorKind, FacilityBulkPayload, OrganisationSummary, bulk_payload, summary,
    },
    milestone::service::ErrorPolicy,
};

/// A change: what one request or command wrote, whole. Those see it in whose name it was made.
#[derive(Clone, Debug, SimpleObject)]
#[graphql(complex)]
pub struct ChangeRecord {
    #[graphql(skip)]
    id: ID,
    /// When it was recorded.
    recorded_at: DateTime<Utc>,
    /// What was done: the name of the mutation or command.
    operation: String,
    /// Where it came from.
    source: Source,
    /// How whoever made it came to us.
    actor_kind: ActorKind,
    /// In whose name it was made; null for the operator, and where one request wrote to facilities of several
    /// organisations.
    organisation: Option<OrganisationSummary>,
    /// Why, in the writer's words.
    reason: Option<String>,
    /// How many facilities it touched.
    facility_count: i64,
    /// The change that it undid; null if it undid none.
    undoes_id: Option<ID>,
    /// The last change that undid it, or something of it; null if none did.
    undone_by_id: Option<ID>,
}

#[ComplexObject]
impl ChangeRecord {
    /// Global id.
    pub async fn id(&self) -> ID {
        self.id.clone()
    }
}

/// A page of changes.
pub type ChangeRecordConnection = Connection<String, ChangeRecord>;

/// A change to be undone.
#[derive(Debug, InputObject)]
pub struct ChangeUndoInput {
    /// Global id of the change, from the payload of the write or from `ownChanges`.
    change_id: ID,
    /// What becomes of the request if some facilities can't go back: those that changed since are refused, and say so.
    #[graphql(default_with = "ErrorPolicy::RejectFailedRows")]
    error_policy: ErrorPolicy,
    #[graphql(flatten)]
    options: WriteOptions,
}

/// Queries over one's own changes.
#[derive(Default)]
pub struct UndoQuery;

#[Object]
impl UndoQuery {
    /// What was written in the name of your organisations, the latest first: what `changeUndo` can be asked to take
    /// back.
    async fn own_changes(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "How many, from `after`; 1 to 100, required.")] first: Option<i32>,
        #[graphql(desc = "The cursor after which to begin.")] after: Option<String>,
    ) -> ApiResult<ChangeRecordConnection> {
        let organisations = caller(context)?
            .actor
            .organisations_with(Permission::FacilityRead);
        let fingerprint = Fingerprint::of(&("ownChanges", &organisations));
        let page = PageArguments {
            after,
            first,
            ..PageArguments::default()
        }
        .check(&fingerprint)?;
        let before = page.from.as_deref().map(row_of_cursor).transpose()?;
        let database = &services(context)?.database;
        let most = u64::try_from(page.size).unwrap_or(0) + 1;
        let mut rows = entity::list(database, &organisations, before, most).await?;
        let more = rows.len() > page.size;
        rows.truncate(page.size);
        let cursors: Vec<String> = rows
            .iter()
            .map(|row| fingerprint.cursor(&[row.id.to_string()]))
            .collect();
        let ahead = context.look_ahead();
        let counted = ahead.field("nodes").field("facilityCount").exists()
            || ahead
                .field("edges")
                .field("node")
                .field("facilityCount")
                .exists();
        let records = complete(context, rows, counted).await?;
        let mut connection = Connection::new(before.is_some(), more);
        connection.edges = cursors
            .into_iter()
            .zip(records)
            .map(|(cursor, record)| Edge::new(cursor, record))
            .collect();
        Ok(connection)
    }
}

/// Mutations of changes.
#[derive(Default)]
pub struct UndoMutation;

#[Object]
impl UndoMutation {
    /// Undoes a change of milestones, plans, blockers, work orders, waves, or of vendors, chains and their parts, by a new one
    /// that takes back what it did, facility by facility. Facilities that changed since are refused. Everything stays in the
    /// history, and an undoing can be undone. Names and contacts, references, codes, openings and closings are not undone:
    /// they are written anew or corrected.
    async fn change_undo(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Which.")] input: ChangeUndoInput,
    ) -> ApiResult<FacilityBulkPayload> {
        // An id of another type names no change.
        let undone = NodeId::row_of(&input.change_id, NodeKind::Change).unwrap_or(0);
        let policy = input.error_policy;
        let request = (undone, policy);
        let written = async {
            let writer = writer(context, "changeUndo", &input.options, &request)?;
            ApiResult::Ok(service::undo(&writer, ChangeId(undone), policy).await?)
        };
        let written = written.await;
        services(context)?.written.notify_one();
        let bulk = match written? {
            UndoOutcome {
                problem: Some(problem),
                ..
            } => Err(ApiError::Refused(vec![problem])),
            UndoOutcome { bulk, .. } => Ok(bulk),
        };
        bulk_payload(context, bulk).await
    }
}

async fn complete(
    context: &Context<'_>,
    rows: Vec<ChangeRow>,
    counted: bool,
) -> ApiResult<Vec<ChangeRecord>> {
    let database = &services(context)?.database;
    let ids: Vec<i64> = rows.iter().map(|row| row.id.0).collect();
    let counts = if counted && !ids.is_empty() {
        entity::facility_counts(database, &ids).await?
    } else {
        HashMap::new()
    };
    let node = |id: ChangeId| NodeId::new(NodeKind::Change, id.0).encode();
    let record = |row: ChangeRow| ChangeRecord {
        id: node(row.id),
        recorded_at: row.recorded_at,
        source: row.source,
        actor_kind: (&row.identity).into(),
        organisation: row.organisation.as_ref().map(summary),
        operation: row.operation,
        reason: row.reason,
        facility_count: counts.get(&row.id.0).copied().unwrap_or(0),
        undoes_id: row.undoes.map(node),
        undone_by_id: row.undone_by.map(node),
    };
    Ok(rows.into_iter().map(record).collect())
}

/// Those of some changes that the caller can see, by their rows.
pub async fn changes_by_id(
    context: &Context<'_>,
    ids: &[i64],
) -> ApiResult<HashMap<i64, ChangeRecord>> {
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let database = &services(context)?.database;
    let actor = &caller(context)?.actor;
    let rows = entity::find(database, database.read(), ids).await?;
    let rows: Vec<ChangeRow> = rows
        .into_iter()
        .filter(|row| service::is_ones_own(actor, row))
        .collect();
    let keys: Vec<i64> = rows.iter().map(|row| row.id.0).collect();
    let records = complete(context, rows, true).await?;
    Ok(keys.into_iter().zip(records).collect())
}
