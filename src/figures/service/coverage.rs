//! Who has reported by the day of a figure, and how many of the facilities that it counts are covered by that.

use std::collections::HashMap;

use chrono::NaiveDate;

use super::ask::{self, Answer, Dimension, Group, Question};
use crate::{
    auth::{Actor, Permission, Scope},
    db::{ConnectionTrait, DbErr, OrganisationId},
    reporting,
};

/// A vendor or chain that reports for facilities.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reporter {
    /// Who.
    pub organisation: OrganisationId,
    /// As what.
    pub dimension: Dimension,
    /// For how many of the facilities that are counted.
    pub facilities: i64,
    /// Up to which day its records are complete; `None` if it never said so.
    pub complete_to: Option<NaiveDate>,
}

/// How much of what is counted was reported.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Coverage {
    /// Open facilities that are counted.
    pub facilities: i64,
    /// Those whose vendor or chain has reported by the day.
    pub covered: i64,
    /// Those that have neither vendor nor chain, so that nobody reports for them.
    pub unassigned: i64,
    /// Everybody who reports for some of them: those with the most facilities first.
    pub reporters: Vec<Reporter>,
}

impl Coverage {
    /// Reads it for the facilities that a question counts, as the question knows it.
    pub(super) async fn read(
        connection: &impl ConnectionTrait,
        actor: &Actor,
        question: &Question,
    ) -> Result<Self, DbErr> {
        let by = |group_by: Vec<Dimension>, only_stores| {
            let mut question = question.clone();
            question.group_by = group_by;
            question.filter.only_stores = only_stores;
            question
        };
        let both = vec![Dimension::Vendor, Dimension::Chain];
        // Whoever reports, and how many of each pair: all pairs, or those of the stores beside each vendor's total.
        let of_each = by(vec![Dimension::Vendor], false);
        let (vendors, stores) = if ask::is_from_rows(actor, &of_each) {
            let all = ask::answer(connection, actor, &by(both, false)).await?;
            (all.clone(), all)
        } else {
            let vendors = ask::answer(connection, actor, &of_each).await?;
            let stores = ask::answer(connection, actor, &by(both, true)).await?;
            (vendors, stores)
        };
        let of_vendors = organisations(&vendors, |group| group.vendor);
        let of_chains = organisations(&stores, |group| group.chain);
        let ids: Vec<OrganisationId> = of_vendors.keys().chain(of_chains.keys()).copied().collect();
        let mut said = reporting::entity::in_force(connection, &ids, question.known).await?;
        if actor.scope(Permission::FiguresRead) != Scope::All {
            // Others are told whether it is complete by the day, and not what happened since.
            for day in said.values_mut() {
                *day = (*day).min(question.as_of);
            }
        }
        let is_covered = |id: Option<OrganisationId>| {
            let day = id.and_then(|id| said.get(&id));
            day.is_some_and(|day| *day >= question.as_of)
        };
        let mut coverage = Self::default();
        for (group, counts) in &vendors {
            let vendor = group.vendor.flatten();
            coverage.facilities += counts.all;
            coverage.covered += if is_covered(vendor) { counts.all } else { 0 };
            coverage.unassigned += if vendor.is_none() { counts.all } else { 0 };
        }
        for (group, counts) in &stores {
            let Some(chain) = group.chain.flatten() else {
                continue;
            };
            let vendor = group.vendor.flatten();
            // Both may have reported, and a facility is covered once.
            if is_covered(Some(chain)) && !is_covered(vendor) {
                coverage.covered += counts.all;
            }
            coverage.unassigned -= if vendor.is_none() { counts.all } else { 0 };
        }
        let reporters = |found: HashMap<OrganisationId, i64>, dimension| {
            let said = &said;
            found
                .into_iter()
                .map(move |(organisation, facilities)| Reporter {
                    organisation,
                    dimension,
                    facilities,
                    complete_to: said.get(&organisation).copied(),
                })
        };
        coverage.reporters = reporters(of_vendors, Dimension::Vendor)
            .chain(reporters(of_chains, Dimension::Chain))
            .collect();
        coverage
            .reporters
            .sort_unstable_by_key(|one| (-one.facilities, one.organisation));
        Ok(coverage)
    }
}

/// How many open facilities an answer has of each organisation.
fn organisations(
    answer: &Answer,
    of: impl Fn(&Group) -> Option<Option<OrganisationId>>,
) -> HashMap<OrganisationId, i64> {
    let mut found = HashMap::new();
    for (group, counts) in answer.iter().filter(|(_, counts)| counts.all > 0) {
        if let Some(organisation) = of(group).flatten() {
            *found.entry(organisation).or_default() += counts.all;
        }
    }
    found
}
