//! The queries `rolloutFigures` and `rolloutSeries`.

use async_graphql::{Context, ID, InputObject, Object, SimpleObject};
use chrono::{DateTime, Months, NaiveDate, Utc};
use tokio::sync::OnceCell;

use super::cells::{FigureCell, FigureLevel};
use crate::{
    api::{
        ApiError, ApiResult, Date,
        context::{caller, services},
    },
    change::{self, Known},
    facility::{
        Bureau, FacilityKind, Prefecture,
        graphql::{PrefectureName, organisation_id, within_bureaus},
    },
    figures::{
        Counts,
        entity::rows::Filter,
        service::{Answer, Dimension, Movements, Question, ask, ask_on_days, bands, movements},
    },
};

/// Which facilities a figure counts, by what they were on the day. All conditions must hold; in a list,
/// any.
#[derive(Clone, Debug, Default, InputObject)]
pub struct FigureFilter {
    /// Any of these kinds.
    #[graphql(default)]
    kinds: Vec<FacilityKind>,
    /// Any of these prefectures.
    #[graphql(default)]
    prefectures: Vec<PrefectureName>,
    /// Any of these regional bureaus.
    #[graphql(default)]
    bureaus: Vec<Bureau>,
    /// Any of these vendors.
    #[graphql(default)]
    vendor_ids: Vec<ID>,
    /// Any of these chains.
    #[graphql(default)]
    chain_ids: Vec<ID>,
}

/// The earlier side of a comparison.
#[derive(Clone, Debug, InputObject)]
pub struct FigureComparison {
    /// The earlier day.
    as_of: Date,
    /// As it was known at this instant; like the figures themselves if not given.
    known_at: Option<DateTime<Utc>>,
}

/// How far apart the points of a series are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, async_graphql::Enum)]
pub enum SeriesStep {
    /// Every day.
    Day,
    /// Every seventh day.
    Week,
    /// The same day of every month.
    Month,
}

/// The four counts on one day.
#[derive(Clone, Copy, Debug, SimpleObject)]
pub struct SeriesPoint {
    /// The day.
    as_of: Date,
    /// Open facilities.
    all: i64,
    /// With a reader application in effect.
    applied: i64,
    /// Ready (準備完了).
    ready: i64,
    /// Live (運用開始).
    live: i64,
}

/// How many prefectures reach a rate.
#[derive(Clone, Copy, Debug, SimpleObject)]
pub struct PrefectureBand {
    /// The rate, in per cent: 90, 80 … 0.
    percent: i64,
    /// Prefectures with more than this (超).
    above: i64,
    /// Prefectures with this or more (以上, counted cumulatively).
    at_least: i64,
    /// Prefectures with this or more, and less than the next ten (one band each).
    within: i64,
}

/// The prefecture bands of one kind of facility.
#[derive(Clone, Debug, SimpleObject)]
pub struct PrefectureBands {
    /// The kind.
    kind: FacilityKind,
    /// From 90 per cent down.
    bands: Vec<PrefectureBand>,
    /// What the ministry's report says about it, in the caller's language; null for `ALL`, which is no rate.
    sentence: Option<String>,
}

/// Figures of the rollout. Every count is nested: `live ≤ ready ≤ applied ≤ all`; never add them up.
pub struct RolloutFigures {
    pub question: Question,
    pub answer: Answer,
    earlier: Option<(NaiveDate, Known, Answer)>,
    movements: OnceCell<Movements>,
}

/// Figures of the rollout. Every count is nested: `live ≤ ready ≤ applied ≤ all`; never add them up.
#[Object]
impl RolloutFigures {
    /// What was true on this civil day (JST) …
    async fn as_of(&self) -> Date {
        self.question.as_of.into()
    }

    /// … as it was known at this instant; null: as it is known now.
    async fn known_at(&self) -> Option<DateTime<Utc>> {
        match self.question.known {
            Known::Now => None,
            Known::UpTo { at, .. } => Some(at),
        }
    }

    /// The counts of each group; groups in which nothing is counted are left out.
    async fn cells(&self) -> Vec<FigureCell<'_>> {
        let mut groups: Vec<_> = self.answer.keys().copied().collect();
        if let Some((.., earlier)) = &self.earlier {
            groups.extend(
                earlier
                    .keys()
                    .filter(|group| !self.answer.contains_key(group)),
            );
            groups.sort_unstable();
        }
        groups
            .into_iter()
            .map(|group| {
                self.cell(group, |answer| {
                    answer.get(&group).copied().unwrap_or_default()
                })
            })
            .collect()
    }

    /// The counts of all groups together.
    async fn total(&self) -> FigureCell<'_> {
        self.cell(Default::default(), |answer| {
            let mut total = Counts::ZERO;
            for counts in answer.values() {
                total += *counts;
            }
            total
        })
    }

    /// How many prefectures reach each ten per cent of a count, by kind of facility.
    async fn prefecture_bands(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Of which count.")] level: FigureLevel,
    ) -> ApiResult<Vec<PrefectureBands>> {
        let language = caller(context)?.actor.language;
        let question = Question {
            group_by: vec![Dimension::Kind, Dimension::Prefecture],
            ..self.question.clone()
        };
        let answer = ask(
            &services(context)?.database,
            &caller(context)?.actor,
            &question,
        )
        .await?;
        Ok(bands(&answer, level.into())
            .into_iter()
            .map(|bands| PrefectureBands {
                kind: bands.kind,
                sentence: bands.sentence(language),
                bands: bands
                    .thresholds
                    .iter()
                    .map(|threshold| PrefectureBand {
                        percent: threshold.percent,
                        above: threshold.above,
                        at_least: threshold.at_least,
                        within: threshold.within,
                    })
                    .collect(),
            })
            .collect())
    }
}

impl RolloutFigures {
    /// What moved since the earlier side, read once for all cells.
    pub async fn movements(&self, context: &Context<'_>) -> ApiResult<Option<&Movements>> {
        let Some((as_of, known, _)) = &self.earlier else {
            return Ok(None);
        };
        let later = (self.question.as_of, self.question.known);
        let read = async || {
            let database = &services(context)?.database;
            let actor = &caller(context)?.actor;
            Ok::<_, ApiError>(movements(database, actor, (*as_of, *known), later).await?)
        };
        self.movements.get_or_try_init(read).await.map(Some)
    }

    fn cell(
        &self,
        group: crate::figures::service::Group,
        count: impl Fn(&Answer) -> Counts,
    ) -> FigureCell<'_> {
        FigureCell {
            figures: self,
            group,
            counts: count(&self.answer),
            earlier: self.earlier.as_ref().map(|(.., answer)| count(answer)),
        }
    }
}

/// Queries of figures.
#[derive(Default)]
pub struct FiguresQuery;

#[Object]
impl FiguresQuery {
    /// How many facilities are open, have applied, are ready and are live, within what you may count: on a
    /// day, as it is known now or was known at an instant. A past answer stays the same for ever.
    async fn rollout_figures(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "What was true on this civil day (JST); today if not given.")]
        as_of: Option<Date>,
        #[graphql(desc = "As it was known at this instant; now if not given.")] known_at: Option<
            DateTime<Utc>,
        >,
        #[graphql(desc = "By which dimensions, up to five.", default)] group_by: Vec<Dimension>,
        #[graphql(desc = "Which facilities.")] filter: Option<FigureFilter>,
        #[graphql(desc = "An earlier side, for the increase.")] compare_with: Option<
            FigureComparison,
        >,
    ) -> ApiResult<RolloutFigures> {
        let services = services(context)?;
        let actor = &caller(context)?.actor;
        let known = resolve(context, known_at).await?;
        let question = Question {
            as_of: as_of.map_or_else(|| services.clock.today(), |day| day.0),
            known,
            filter: read_filter(filter.unwrap_or_default())?,
            group_by,
        };
        let answer = ask(&services.database, actor, &question).await?;
        let earlier = match compare_with {
            None => None,
            Some(other) => {
                let known = match other.known_at {
                    None => known,
                    at => resolve(context, at).await?,
                };
                let earlier = Question {
                    as_of: other.as_of.0,
                    known,
                    ..question.clone()
                };
                let answer = ask(&services.database, actor, &earlier).await?;
                Some((earlier.as_of, known, answer))
            }
        };
        Ok(RolloutFigures {
            question,
            answer,
            earlier,
            movements: OnceCell::new(),
        })
    }

    /// The four counts over time, at most 400 points.
    async fn rollout_series(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The first day.")] from: Date,
        #[graphql(desc = "The last day; included if a step ends on it.")] until: Date,
        #[graphql(desc = "How far apart.")] every: SeriesStep,
        #[graphql(desc = "As it was known at this instant; now if not given.")] known_at: Option<
            DateTime<Utc>,
        >,
        #[graphql(desc = "Which facilities.")] filter: Option<FigureFilter>,
    ) -> ApiResult<Vec<SeriesPoint>> {
        let database = &services(context)?.database;
        let actor = &caller(context)?.actor;
        let known = resolve(context, known_at).await?;
        let days = days(from.0, until.0, every)?;
        let question = Question {
            as_of: from.0,
            known,
            filter: read_filter(filter.unwrap_or_default())?,
            group_by: Vec::new(),
        };
        let counts = ask_on_days(database, actor, &question, &days).await?;
        Ok(days
            .into_iter()
            .zip(counts)
            .map(|(as_of, counts)| SeriesPoint {
                as_of: as_of.into(),
                all: counts.all,
                applied: counts.applied,
                ready: counts.ready,
                live: counts.live,
            })
            .collect())
    }
}

async fn resolve(context: &Context<'_>, at: Option<DateTime<Utc>>) -> ApiResult<Known> {
    let services = services(context)?;
    Ok(change::resolve_known_at(&services.database, &services.clock, at).await?)
}

fn read_filter(filter: FigureFilter) -> ApiResult<Filter> {
    let prefectures = filter
        .prefectures
        .into_iter()
        .map(Prefecture::from)
        .collect();
    let members = |ids: &[ID]| {
        ids.iter()
            .map(|id| organisation_id(id).map(Some))
            .collect::<ApiResult<Vec<_>>>()
    };
    Ok(Filter {
        kinds: filter.kinds,
        prefectures: within_bureaus(prefectures, &filter.bureaus),
        vendors: members(&filter.vendor_ids)?,
        chains: members(&filter.chain_ids)?,
    })
}

const MOST_POINTS: usize = 400;

fn days(from: NaiveDate, until: NaiveDate, every: SeriesStep) -> ApiResult<Vec<NaiveDate>> {
    let day = |step: u32| match every {
        SeriesStep::Day => from.checked_add_days(chrono::Days::new(step.into())),
        SeriesStep::Week => from.checked_add_days(chrono::Days::new(u64::from(step) * 7)),
        SeriesStep::Month => from.checked_add_months(Months::new(step)),
    };
    let days: Vec<NaiveDate> = (0..)
        .map_while(day)
        .take_while(|day| *day <= until)
        .take(MOST_POINTS + 1)
        .collect();
    if days.len() > MOST_POINTS {
        return Err(ApiError::bad_input(
            "TOO_MANY_POINTS",
            format!("a series has at most {MOST_POINTS} points"),
        ));
    }
    Ok(days)
}
