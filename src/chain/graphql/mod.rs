//! Chains in the API, their parts and their waves.

mod parts;
mod waves;

use async_graphql::{
    Context, ID, Object, SimpleObject,
    connection::{Connection, Edge},
};
use chrono::{DateTime, Utc};

pub use parts::{ChainPartConnection, ChainPartQuery};
pub use waves::{Wave, WaveConnection, WaveMutation, WaveQuery, WaveStoreConnection, waves_by_id};

use crate::{
    api::{
        ApiResult, NodeId, PageArguments,
        context::{caller, services},
        node_id::NodeKind,
        page::{Fingerprint, row_of_cursor},
    },
    auth::entity::names::names,
    chain::service::{self, Chain as Row},
    db::OrganisationId,
    facility::graphql::OrganisationSummary,
};

/// An application for the readers of many stores in one go.
#[derive(Clone, Copy, Debug, SimpleObject)]
pub struct BulkApplication {
    /// For how many stores.
    store_count: i64,
    /// When it was recorded.
    recorded_at: DateTime<Utc>,
}

/// A chain and its stores of today.
#[derive(Clone, Debug, SimpleObject)]
pub struct Chain {
    /// Its organisation.
    organisation: OrganisationSummary,
    /// Open stores.
    store_count: i64,
    /// With a reader application in effect.
    applied_count: i64,
    /// Ready (準備完了).
    ready_count: i64,
    /// Live (運用開始).
    live_count: i64,
    /// Whether it is a large chain (大手チェーン薬局): one that once applied for the readers of 200 stores or more in one
    /// go.
    is_large: bool,
    /// The largest such application; null if it isn't large.
    largest_application: Option<BulkApplication>,
}

/// A page of chains.
pub type ChainConnection = Connection<String, Chain>;

/// Queries over chains.
#[derive(Default)]
pub struct ChainQuery;

#[Object]
impl ChainQuery {
    /// The chains that have open stores, in the order in which they were added, to those who count the whole nation; and
    /// one's own.
    async fn chains(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Only large ones, or only others.")] is_large: Option<bool>,
        #[graphql(desc = "How many, from `after`; 1 to 100, required.")] first: Option<i32>,
        #[graphql(desc = "The cursor after which to begin.")] after: Option<String>,
    ) -> ApiResult<ChainConnection> {
        let fingerprint = Fingerprint::of(&("chains", is_large));
        let page = PageArguments {
            after,
            first,
            ..PageArguments::default()
        }
        .check(&fingerprint)?;
        let after = page.from.as_deref().map(row_of_cursor).transpose()?;
        let services = services(context)?;
        let actor = &caller(context)?.actor;
        let mut rows: Vec<Row> = service::chains(services, actor)
            .await?
            .into_iter()
            .filter(|row| after.is_none_or(|after| row.organisation.0 > after))
            .filter(|row| is_large.is_none_or(|wanted| wanted == row.large.is_some()))
            .take(page.size + 1)
            .collect();
        let more = rows.len() > page.size;
        rows.truncate(page.size);
        let ids: Vec<OrganisationId> = rows.iter().map(|row| row.organisation).collect();
        let names = names(&services.database, &ids).await?;
        let told = |row: Row| {
            let id = NodeId::new(NodeKind::Organisation, row.organisation.0).encode();
            let name = names.get(&row.organisation).cloned();
            Chain {
                organisation: summary(id, name),
                store_count: row.counts.all,
                applied_count: row.counts.applied,
                ready_count: row.counts.ready,
                live_count: row.counts.live,
                is_large: row.large.is_some(),
                largest_application: row.large.map(|large| BulkApplication {
                    store_count: large.stores,
                    recorded_at: large.recorded_at,
                }),
            }
        };
        let mut connection = Connection::new(after.is_some(), more);
        connection.edges = rows
            .into_iter()
            .map(|row| {
                let cursor = fingerprint.cursor(&[row.organisation.0.to_string()]);
                Edge::new(cursor, told(row))
            })
            .collect();
        Ok(connection)
    }
}

fn summary(id: ID, name: Option<String>) -> OrganisationSummary {
    OrganisationSummary {
        id,
        name: name.unwrap_or_default(),
    }
}
