//! The applications of chains, from the history.

use std::collections::HashMap;

use chrono::{DateTime, Utc};

use crate::{
    change::Source,
    db::{Backend, ConnectionTrait, DbErr, OrganisationId, Query, Row},
    milestone::{Action, Aspect, Milestone},
};

/// The largest application that a chain made in one go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Application {
    /// For how many of its stores.
    pub stores: i64,
    /// When it was recorded.
    pub recorded_at: DateTime<Utc>,
}

/// The largest application of each of some chains that once applied for so many stores, or of all; others are left out. A
/// store counts for the chain that it belonged to on the day of its application, as that is known now, and once in an
/// application.
pub async fn largest_applications(
    connection: &impl ConnectionTrait,
    chains: Option<&[OrganisationId]>,
    least: i64,
) -> Result<HashMap<OrganisationId, Application>, DbErr> {
    // A sheet writes a thousand rows in a change, and says in each which sheet it is.
    let application = format!(
        "CASE WHEN c.source = {} AND c.request_id LIKE 'sheet %' THEN c.request_id ELSE CAST(c.id AS TEXT) END",
        Source::Import.code()
    );
    let backend = Backend::of(connection);
    let mut query = Query::new(format!(
        "WITH large AS (SELECT {application} AS application FROM figure_delta d JOIN change c ON c.id = d.change_id \
         WHERE d.chain_id <> 0 AND d.applied_count > 0"
    ));
    let push_chains = |query: &mut Query, column: &str| {
        if let Some(chains) = chains {
            query.push(" AND ").push(column);
            query.bind_ids(backend, chains.iter().map(|id| id.0));
        }
    };
    push_chains(&mut query, "d.chain_id");
    query.push(" GROUP BY 1, d.chain_id HAVING sum(d.applied_count) >= ");
    query.bind(least);
    // The counts also grow when stores that have applied join the chain: what was applied for is in the events.
    query.push(&format!(
        "), told AS (SELECT p.chain_id, {application} AS application, count(DISTINCT e.facility_id) AS stores, \
         max(c.recorded_at) AS recorded_at FROM change c \
         JOIN facility_event e ON e.change_id = c.id AND e.aspect = {} AND e.action = {} \
         JOIN facility_period p ON p.facility_id = e.facility_id AND p.removed_by IS NULL \
         AND p.effective_from <= e.effective_on AND p.effective_until > e.effective_on AND p.chain_id <> 0",
        Aspect::Milestone(Milestone::ReaderApplied).code(),
        Action::Reached.code(),
    ));
    push_chains(&mut query, "p.chain_id");
    query.push(&format!(
        " WHERE {application} IN (SELECT application FROM large) \
         AND NOT EXISTS (SELECT 1 FROM facility_event v WHERE v.voids_id = e.id) \
         GROUP BY p.chain_id, 2 HAVING count(DISTINCT e.facility_id) >= "
    ));
    query.bind(least);
    query
        .push(") SELECT chain_id, stores, recorded_at FROM told ORDER BY stores, recorded_at DESC");
    let rows = query.all(connection).await?;
    rows.iter()
        .map(|row| {
            let mut row = Row::new(row);
            let chain = row.take()?;
            let application = Application {
                stores: row.take()?,
                recorded_at: row.take()?,
            };
            Ok((chain, application))
        })
        .collect()
}
