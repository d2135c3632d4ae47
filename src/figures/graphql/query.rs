//! The queries `rolloutFigures` and `rolloutSeries`.

use std::collections::HashMap;

use async_graphql::{Context, ID, InputObject, Lookahead, Object, SimpleObject};
use chrono::{DateTime, Months, NaiveDate, Utc};

use super::{
    cells::{FigureCell, FigureLevel, OpenedPage, Opening},
    coverage::FigureCoverage,
};
use crate::{
    api::{
        ApiError, ApiResult, Date,
        context::{caller, services},
        plain::Plain,
    },
    auth::Actor,
    change::{self, Known},
    db::{Database, FacilityId},
    facility::{
        Bureau, FacilityKind, Prefecture,
        graphql::{PrefectureName, organisation_id, within_bureaus},
    },
    figures::{
        Counts,
        entity::rows::Filter,
        service::{
            Answer, Coverage, Dimension, Group, Movements, Question, Reading, ask_on_days, bands,
            counts_by_today,
        },
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
    /// The day that was named; cursors hold on to it, and so, where today was meant, outlive midnight.
    named_day: Option<NaiveDate>,
    answer: Answer,
    /// The answer of the earlier side.
    earlier: Option<Answer>,
    /// What moved since the earlier side, if it is selected.
    pub movements: Option<Movements>,
    /// By kind and prefecture, if the bands are selected.
    by_prefecture: Option<Answer>,
    /// Who has reported, if it is selected.
    coverage: Option<Coverage>,
    /// The pages behind the counts that are selected.
    pub opened: HashMap<(Group, Opening), Vec<FacilityId>>,
}

/// Counts open into facilities only if there are at most this many of them.
pub const MOST_OPENED: usize = 10;

/// How a query names its day, and what it selects beside the counts.
struct Wanted {
    /// The day, if it is named.
    day: Option<NaiveDate>,
    bands: bool,
    coverage: bool,
    difference: bool,
    behind_total: Vec<Opening>,
    behind_cells: Vec<Opening>,
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
    async fn cells(&self) -> Vec<Plain<FigureCell<'_>>> {
        self.groups()
            .into_iter()
            .map(|group| {
                self.cell(group, |answer| {
                    answer.get(&group).copied().unwrap_or_default()
                })
            })
            .collect()
    }

    /// The counts of all groups together.
    async fn total(&self) -> Plain<FigureCell<'_>> {
        self.cell(Group::default(), |answer| {
            let mut total = Counts::ZERO;
            for counts in answer.values() {
                total += *counts;
            }
            total
        })
    }

    /// Who has reported by the day, and how many of the facilities are covered by that: what the counts are worth.
    async fn coverage(&self) -> FigureCoverage {
        FigureCoverage {
            coverage: self.coverage.clone().unwrap_or_default(),
            as_of: self.question.as_of,
        }
    }

    /// How many prefectures reach each ten per cent of a count, by kind of facility.
    async fn prefecture_bands(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Of which count.")] level: FigureLevel,
    ) -> ApiResult<Vec<PrefectureBands>> {
        let language = caller(context)?.actor.language;
        let answer = self.by_prefecture.iter();
        Ok(answer
            .flat_map(|answer| bands(answer, level.into()))
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

impl Wanted {
    fn of(figures: &Lookahead<'_>, day: Option<NaiveDate>) -> Self {
        let (total, cells) = (figures.field("total"), figures.field("cells"));
        Self {
            day,
            bands: figures.field("prefectureBands").exists(),
            coverage: figures.field("coverage").exists(),
            difference: [&total, &cells]
                .iter()
                .any(|cell| cell.field("difference").exists()),
            behind_total: Opening::all_of(&total),
            behind_cells: Opening::all_of(&cells),
        }
    }

    fn is_nothing(&self) -> bool {
        !self.bands
            && !self.coverage
            && self.behind_total.is_empty()
            && self.behind_cells.is_empty()
    }
}

/// Reads figures: together, if they take several statements between which something may be written.
async fn read(
    database: &Database,
    actor: &Actor,
    question: Question,
    earlier: Option<(NaiveDate, Known)>,
    wanted: &Wanted,
) -> ApiResult<RolloutFigures> {
    let is_settled = [Some(question.known), earlier.map(|(_, known)| known)]
        .into_iter()
        .flatten()
        .all(|known| known != Known::Now);
    let is_one_statement = earlier.is_none() && wanted.is_nothing();
    // What is counted by today's links changes even if the past does not.
    let is_settled = is_settled && !counts_by_today(actor);
    let reading = if is_settled || is_one_statement {
        Reading::apart(database)
    } else {
        Reading::together(database).await?
    };
    let figures = RolloutFigures::read(&reading, actor, question, earlier, wanted).await?;
    reading.end().await?;
    Ok(figures)
}

impl RolloutFigures {
    async fn read(
        reading: &Reading<'_>,
        actor: &Actor,
        question: Question,
        earlier: Option<(NaiveDate, Known)>,
        wanted: &Wanted,
    ) -> ApiResult<Self> {
        let mut figures = Self {
            answer: reading.ask(actor, &question).await?,
            question,
            named_day: wanted.day,
            earlier: None,
            movements: None,
            by_prefecture: None,
            coverage: None,
            opened: HashMap::new(),
        };
        let question = &figures.question;
        if let Some((as_of, known)) = earlier {
            let question = Question {
                as_of,
                known,
                ..question.clone()
            };
            figures.earlier = Some(reading.ask(actor, &question).await?);
        }
        if let Some(earlier) = earlier.filter(|_| wanted.difference) {
            figures.movements = Some(reading.movements(actor, earlier, question).await?);
        }
        if wanted.bands {
            let question = Question {
                group_by: vec![Dimension::Kind, Dimension::Prefecture],
                ..question.clone()
            };
            figures.by_prefecture = Some(reading.ask(actor, &question).await?);
        }
        if wanted.coverage {
            figures.coverage = Some(reading.coverage(actor, &figures.question).await?);
        }
        figures.open(reading, actor, wanted).await?;
        Ok(figures)
    }

    /// Reads the pages behind the counts. What is wrong with the arguments of one is said by its field.
    async fn open(
        &mut self,
        reading: &Reading<'_>,
        actor: &Actor,
        wanted: &Wanted,
    ) -> ApiResult<()> {
        let mut groups = self.groups();
        if groups.len() > MOST_OPENED {
            groups.retain(|group| *group == Group::default());
        }
        let behind_cells = groups
            .iter()
            .flat_map(|group| wanted.behind_cells.iter().map(|page| (*group, page)));
        let behind_total = wanted.behind_total.iter();
        let behind_total = behind_total.map(|page| (Group::default(), page));
        let all: Vec<_> = behind_cells.chain(behind_total).collect();
        for (group, opening) in all {
            if let Ok(page) = self.page(&group, opening) {
                let ids = page.read(reading, actor).await?;
                self.opened.insert((group, opening.clone()), ids);
            }
        }
        Ok(())
    }

    /// A page of the facilities that a group counts.
    pub fn page(&self, group: &Group, opening: &Opening) -> ApiResult<OpenedPage> {
        opening.page(self.question.narrowed(group), self.named_day)
    }

    /// May the counts of a group be opened?
    pub fn opens(&self, group: &Group) -> bool {
        *group == Group::default() || self.groups().len() <= MOST_OPENED
    }

    /// The groups in which anything is counted, now or earlier, in order.
    fn groups(&self) -> Vec<Group> {
        let mut groups: Vec<Group> = self.answer.keys().copied().collect();
        let earlier = self.earlier.iter().flat_map(Answer::keys);
        groups.extend(earlier.filter(|group| !self.answer.contains_key(group)));
        groups.sort_unstable();
        groups
    }

    fn cell(&self, group: Group, count: impl Fn(&Answer) -> Counts) -> Plain<FigureCell<'_>> {
        Plain(FigureCell {
            figures: self,
            group,
            counts: count(&self.answer),
            earlier: self.earlier.as_ref().map(count),
        })
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
        let day = as_of.map(|day| day.0);
        let question = Question {
            as_of: day.unwrap_or_else(|| services.clock.today()),
            known,
            filter: read_filter(filter.unwrap_or_default())?,
            group_by,
        };
        let earlier = match compare_with {
            None => None,
            Some(FigureComparison {
                as_of,
                known_at: None,
            }) => Some((as_of.0, known)),
            Some(FigureComparison { as_of, known_at }) => {
                Some((as_of.0, resolve(context, known_at).await?))
            }
        };
        let wanted = Wanted::of(&context.look_ahead(), day);
        read(&services.database, actor, question, earlier, &wanted).await
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

/// The filter that a caller means.
pub fn read_filter(filter: FigureFilter) -> ApiResult<Filter> {
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
        only_stores: false,
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
