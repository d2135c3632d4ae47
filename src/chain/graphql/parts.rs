//! The corporations and areas of chains in the API.

use async_graphql::{
    Context, ID, Object, SimpleObject,
    connection::{Connection, Edge},
};

use crate::{
    api::{
        ApiResult, NodeId, PageArguments,
        context::{caller, services},
        node_id::NodeKind,
        page::{Fingerprint, row_of_cursor},
    },
    auth::OrganisationKind,
    chain::entity::{self, PartCounts},
    facility::graphql::{OrganisationSummary, organisation_of},
};

/// A corporation (法人) or area (エリア) of a chain, and its stores of today.
#[derive(Clone, Debug, SimpleObject)]
pub struct ChainPart {
    /// Its organisation.
    organisation: OrganisationSummary,
    /// CORPORATION or AREA.
    kind: OrganisationKind,
    /// Open stores.
    store_count: i64,
    /// With a reader application in effect.
    applied_count: i64,
    /// Ready (準備完了).
    ready_count: i64,
    /// Live (運用開始).
    live_count: i64,
}

impl From<PartCounts> for ChainPart {
    fn from(part: PartCounts) -> Self {
        Self {
            organisation: OrganisationSummary {
                id: NodeId::new(NodeKind::Organisation, part.organisation.0).encode(),
                name: part.name,
            },
            kind: part.kind,
            store_count: part.stores,
            applied_count: part.applied,
            ready_count: part.ready,
            live_count: part.live,
        }
    }
}

/// A page of parts of a chain.
pub type ChainPartConnection = Connection<String, ChainPart>;

/// Queries over the parts of chains.
#[derive(Default)]
pub struct ChainPartQuery;

#[Object]
impl ChainPartQuery {
    /// The corporations and areas of a chain, in the order in which they were added, to its head office and to those who
    /// count the whole nation; and one's own.
    async fn chain_parts(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Global id of the chain.")] chain_id: ID,
        #[graphql(desc = "How many, from `after`; 1 to 100, required.")] first: Option<i32>,
        #[graphql(desc = "The cursor after which to begin.")] after: Option<String>,
    ) -> ApiResult<ChainPartConnection> {
        let fingerprint = Fingerprint::of(&("chainParts", &chain_id));
        let page = PageArguments {
            after,
            first,
            ..PageArguments::default()
        }
        .check(&fingerprint)?;
        let after = page.from.as_deref().map(row_of_cursor).transpose()?;
        let services = services(context)?;
        let actor = &caller(context)?.actor;
        let most = u64::try_from(page.size).unwrap_or(0) + 1;
        let mut rows = entity::parts(
            services.database.read(),
            actor,
            organisation_of(&chain_id),
            services.clock.today(),
            after,
            most,
        )
        .await?;
        let more = rows.len() > page.size;
        rows.truncate(page.size);
        let mut connection = Connection::new(after.is_some(), more);
        connection.edges = rows
            .into_iter()
            .map(|row| {
                let cursor = fingerprint.cursor(&[row.organisation.0.to_string()]);
                Edge::new(cursor, row.into())
            })
            .collect();
        Ok(connection)
    }
}
