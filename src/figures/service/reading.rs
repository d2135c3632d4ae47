//! Where questions are read from: each from where it is cheapest, or several from one snapshot, so that
//! their answers fit each other while others write.

use chrono::NaiveDate;

use super::{
    Coverage, Movements,
    ask::{self, Answer, Question},
};
use crate::{
    auth::{Actor, Clause, Permission, Scope},
    change::{self, Known},
    db::{Connections, Database, DbErr, FacilityId, Transaction},
    figures::{Counts, Level},
};

/// Where questions are read from.
pub enum Reading<'a> {
    /// Each by itself: what is settled from the replica, if there is one, and the rest as it is by then.
    Apart(&'a Database),
    /// All from one snapshot.
    Together(Transaction),
}

impl<'a> Reading<'a> {
    /// Questions of which none is about now, or only one is asked.
    pub fn apart(database: &'a Database) -> Self {
        Self::Apart(database)
    }

    /// Questions whose answers must fit each other.
    pub async fn together(database: &Database) -> Result<Self, DbErr> {
        Ok(Self::Together(database.begin_read().await?))
    }

    /// Answers a question within what the actor may count.
    pub async fn ask(&self, actor: &Actor, question: &Question) -> Result<Answer, DbErr> {
        match self {
            Self::Apart(database) => {
                let connection = connection(database, actor, &[question.known]).await?;
                ask::answer(connection, actor, question).await
            }
            Self::Together(snapshot) => ask::answer(snapshot, actor, question).await,
        }
    }

    /// How facilities moved between an earlier day, as known then, and a question's own.
    pub async fn movements(
        &self,
        actor: &Actor,
        earlier: (NaiveDate, Known),
        question: &Question,
    ) -> Result<Movements, DbErr> {
        match self {
            Self::Apart(database) => {
                let known = [earlier.1, question.known];
                let connection = connection(database, actor, &known).await?;
                Movements::read(connection, actor, earlier, question).await
            }
            Self::Together(snapshot) => Movements::read(snapshot, actor, earlier, question).await,
        }
    }

    /// Who has reported by the day of a question, and what that covers of it.
    pub async fn coverage(&self, actor: &Actor, question: &Question) -> Result<Coverage, DbErr> {
        match self {
            Self::Apart(database) => {
                let connection = connection(database, actor, &[question.known]).await?;
                Coverage::read(connection, actor, question).await
            }
            Self::Together(snapshot) => Coverage::read(snapshot, actor, question).await,
        }
    }

    /// A page of the facilities behind a count, in the order of their ids. Never from the replica: which of
    /// them the actor may see is decided by today's links.
    pub async fn open(
        &self,
        actor: &Actor,
        question: &Question,
        level: Level,
        after: Option<FacilityId>,
        most: u64,
    ) -> Result<Vec<FacilityId>, DbErr> {
        match self {
            Self::Apart(database) => {
                ask::open(database.read(), actor, question, level, after, most).await
            }
            Self::Together(snapshot) => {
                ask::open(snapshot, actor, question, level, after, most).await
            }
        }
    }

    /// Gives the snapshot back.
    pub async fn end(self) -> Result<(), DbErr> {
        match self {
            Self::Apart(_) => Ok(()),
            Self::Together(snapshot) => snapshot.rollback().await,
        }
    }
}

/// Answers one question within what the actor may count.
pub async fn ask(database: &Database, actor: &Actor, question: &Question) -> Result<Answer, DbErr> {
    Reading::apart(database).ask(actor, question).await
}

/// Answers a question on each of some days, which are in order, without groups: a statement or two however
/// many days there are.
pub async fn ask_on_days(
    database: &Database,
    actor: &Actor,
    question: &Question,
    days: &[NaiveDate],
) -> Result<Vec<Counts>, DbErr> {
    let connection = connection(database, actor, &[question.known]).await?;
    ask::on_days(connection, actor, question, days).await
}

/// The replica, if it is asked for nothing but what is settled and has got that far; else the database.
pub(super) async fn connection<'a>(
    database: &'a Database,
    actor: &Actor,
    known: &[Known],
) -> Result<&'a Connections, DbErr> {
    let settled = known.iter().try_fold(0, |most: i64, known| match known {
        Known::Now => None,
        Known::UpTo { seq, .. } => Some(most.max(*seq)),
    });
    let (Some(replica), Some(seq)) = (database.replica(), settled) else {
        return Ok(database.read());
    };
    let got_there = !counts_by_today(actor) && change::horizon(replica).await?.last_seq >= seq;
    Ok(if got_there { replica } else { database.read() })
}

/// What is handed to a contractor, or is a part's of a chain, is no dimension: they count what they have today.
pub fn counts_by_today(actor: &Actor) -> bool {
    let Scope::Any(clauses) = actor.scope(Permission::FiguresRead) else {
        return false;
    };
    clauses.iter().any(|clause| {
        matches!(
            clause,
            Clause::Contractor(_) | Clause::Corporation(_) | Clause::Area(_)
        )
    })
}
