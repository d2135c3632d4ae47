//! A scope as a condition over the current state of facilities. Whoever reads facilities, their history or
//! their changes appends it.

use crate::{
    auth::{Clause, Scope},
    db::Query,
};

/// Appends the condition that the `facility_state` row called `alias` is within a scope.
pub fn push_scope(query: &mut Query, scope: &Scope, alias: &str) {
    let Scope::Any(clauses) = scope else {
        query.push("TRUE");
        return;
    };
    if clauses.is_empty() {
        query.push("FALSE");
        return;
    }
    for (position, clause) in clauses.iter().enumerate() {
        query.push(if position == 0 { "(" } else { " OR " });
        query.push(alias);
        match clause {
            Clause::Prefectures(prefectures) => {
                query.push(".prefecture IN (");
                query.bind_all(prefectures.iter().map(|p| i16::from(p.number())));
                query.push(")");
            }
            Clause::Vendor(id) => {
                query.push(".vendor_id = ").bind(id.0);
            }
            Clause::Contractor(id) => {
                query.push(".contractor_id = ").bind(id.0);
                // Lets both databases use the partial index.
                query.push(" AND ").push(alias).push(".contractor_id <> 0");
            }
            Clause::Chain(id) => {
                query.push(".chain_id = ").bind(id.0);
                query.push(" AND ").push(alias).push(".chain_id <> 0");
            }
            Clause::Corporation(id) => {
                query.push(".corporation_id = ").bind(id.0);
                query.push(" AND ").push(alias).push(".corporation_id <> 0");
            }
            Clause::Area(id) => {
                query.push(".area_id = ").bind(id.0);
                query.push(" AND ").push(alias).push(".area_id <> 0");
            }
            Clause::Facility(id) => {
                query.push(".facility_id = ").bind(id.0);
            }
        }
    }
    query.push(")");
}
