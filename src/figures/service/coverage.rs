//! Who has reported by the day of a figure, and how many of the facilities that it counts are covered by that.

use std::collections::HashMap;

use chrono::NaiveDate;

use super::ask::{self, Answer, Dimension, Group, Question};
use crate::{
    auth::Actor,
    db::{ConnectionTrait, DbErr, OrganisationId},
    figures::Counts,
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
        let by = |dimension| Question {
            group_by: vec![dimension],
            ..question.clone()
        };
        let vendors = ask::answer(connection, actor, &by(Dimension::Vendor)).await?;
        let chains = ask::answer(connection, actor, &by(Dimension::Chain)).await?;
        let of_vendors = organisations(&vendors, |group| group.vendor);
        let of_chains = organisations(&chains, |group| group.chain);
        let ids: Vec<OrganisationId> = of_vendors.keys().chain(of_chains.keys()).copied().collect();
        let said = reporting::entity::in_force(connection, &ids, question.known).await?;
        let complete = |id: &OrganisationId| said.get(id).is_some_and(|day| *day >= question.as_of);
        // The stores of chains, by their vendors: both may have reported, and a facility is covered once.
        let mut of_stores = Question {
            group_by: vec![Dimension::Vendor, Dimension::Chain],
            ..question.clone()
        };
        of_stores.filter.chains = of_chains.keys().copied().map(Some).collect();
        let stores = if of_chains.is_empty() {
            Answer::new()
        } else {
            ask::answer(connection, actor, &of_stores).await?
        };
        let is_covered = |id: Option<OrganisationId>| id.as_ref().is_some_and(complete);
        let mut coverage = Self::default();
        for (group, counts) in &vendors {
            let vendor = group.vendor.flatten();
            coverage.facilities += counts.all;
            coverage.covered += if is_covered(vendor) { counts.all } else { 0 };
            coverage.unassigned += if vendor.is_none() { counts.all } else { 0 };
        }
        for (group, counts) in &stores {
            let vendor = group.vendor.flatten();
            if is_covered(group.chain.flatten()) && !is_covered(vendor) {
                coverage.covered += counts.all;
            }
            coverage.unassigned -= if vendor.is_none() { counts.all } else { 0 };
        }
        let reporters = |found: HashMap<OrganisationId, Counts>, dimension| {
            let said = &said;
            found
                .into_iter()
                .map(move |(organisation, counts)| Reporter {
                    organisation,
                    dimension,
                    facilities: counts.all,
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

/// What the organisations of an answer count, those that count nothing open left out.
fn organisations(
    answer: &Answer,
    of: impl Fn(&Group) -> Option<Option<OrganisationId>>,
) -> HashMap<OrganisationId, Counts> {
    answer
        .iter()
        .filter(|(_, counts)| counts.all > 0)
        .filter_map(|(group, counts)| Some((of(group).flatten()?, *counts)))
        .collect()
}
