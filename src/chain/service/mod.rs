//! Which chains there are, and which are large; and what they plan.

pub mod waves;

use std::collections::{BTreeMap, HashMap};

use crate::{
    app::Services,
    auth::{Actor, OrganisationKind, Permission, Scope},
    chain::{
        LARGE_FROM,
        entity::{Application, largest_applications},
    },
    change::Known,
    db::{DbErr, OrganisationId},
    figures::{
        Counts,
        entity::rows::Filter,
        service::{Dimension, Question, ask},
    },
};

/// A chain as it stands today.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chain {
    /// Its organisation.
    pub organisation: OrganisationId,
    /// Its open stores.
    pub counts: Counts,
    /// Its largest application, if that makes it large.
    pub large: Option<Application>,
}

/// The chains that an actor may know of, by their organisations: those with open stores, to who counts the nation, and
/// one's own.
pub async fn chains(services: &Services, actor: &Actor) -> Result<Vec<Chain>, DbErr> {
    let database = &services.database;
    let own: Option<Vec<OrganisationId>> = match actor.scope(Permission::FiguresRead) {
        Scope::All => None,
        Scope::Any(_) => Some(
            actor
                .grants_with(Permission::FiguresRead)
                .filter(|grant| grant.kind == OrganisationKind::Chain)
                .map(|grant| grant.organisation)
                .collect(),
        ),
    };
    if own.as_ref().is_some_and(Vec::is_empty) {
        return Ok(Vec::new());
    }
    let question = Question {
        as_of: services.clock.today(),
        known: Known::Now,
        filter: Filter::default(),
        group_by: vec![Dimension::Chain],
    };
    let answer = ask(database, &Actor::system(), &question).await?;
    let mut counts: BTreeMap<OrganisationId, Counts> = answer
        .into_iter()
        .filter_map(|(group, counts)| Some((group.chain.flatten()?, counts)))
        .filter(|(_, counts)| counts.all > 0)
        .collect();
    if let Some(own) = &own {
        counts.retain(|chain, _| own.contains(chain));
        for chain in own {
            counts.entry(*chain).or_default();
        }
    }
    let large: HashMap<OrganisationId, Application> =
        largest_applications(database.read(), own.as_deref(), LARGE_FROM).await?;
    Ok(counts
        .into_iter()
        .map(|(organisation, counts)| Chain {
            organisation,
            counts,
            large: large.get(&organisation).copied(),
        })
        .collect())
}
