//! One group's counts, and what they open into.

use std::collections::HashMap;

use super::query::{MOST_OPENED, RolloutFigures};
use crate::{
    api::{
        ApiError, ApiResult, NodeId, PageArguments,
        context::{caller, services},
        node_id::NodeKind,
        page::Fingerprint,
        plain::{PlainField, PlainFields},
    },
    auth::{Actor, OrganisationName, graphql::OrganisationNames},
    db::{FacilityId, OrganisationId},
    facility::{
        Bureau, FacilityKind,
        graphql::{
            FacilityConnection, ListTotal, OrganisationSummary, PrefectureName, Selected,
            facilities_by_id,
        },
    },
    figures::{
        Counts, Level,
        service::{Difference, Group, Question, Reading},
    },
};
use async_graphql::{
    Context, Enum, InputType, Lookahead, Name, Object, SelectionField, SimpleObject, Value,
    connection::{Connection, Edge},
};
use chrono::NaiveDate;

/// One of the four nested counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Enum)]
pub enum FigureLevel {
    /// Open facilities.
    All,
    /// With a reader application in effect.
    Applied,
    /// Ready (準備完了).
    Ready,
    /// Live (運用開始).
    Live,
}

impl From<FigureLevel> for Level {
    fn from(level: FigureLevel) -> Self {
        match level {
            FigureLevel::All => Self::Open,
            FigureLevel::Applied => Self::Applied,
            FigureLevel::Ready => Self::Ready,
            FigureLevel::Live => Self::Live,
        }
    }
}

/// The four counts less those of the earlier side.
#[derive(Clone, Copy, Debug, SimpleObject)]
pub struct FigureIncrease {
    /// Open facilities.
    all: i64,
    /// With a reader application in effect.
    applied: i64,
    /// Ready (準備完了).
    ready: i64,
    /// Live (運用開始).
    live: i64,
}

/// What an increase is made of. `reached + opened + reclassifiedIn + corrected − withdrawn − closed −
/// reclassifiedOut = total`.
#[derive(Clone, Copy, Debug, SimpleObject)]
pub struct FigureDifference {
    /// The increase.
    total: i64,
    /// Open on both days, and reached the level between them.
    reached: i64,
    /// Open on both days, and fell back below the level.
    withdrawn: i64,
    /// Opened between them, and at the level on the second.
    opened: i64,
    /// Closed between them, and at the level on the first.
    closed: i64,
    /// At the level on both days, and came under the filter, into the group or within what you may count.
    reclassified_in: i64,
    /// At the level on both days, and left the filter, the group or what you may count.
    reclassified_out: i64,
    /// Already on the earlier day, by what became known since; may be negative.
    corrected: i64,
}

impl From<Difference> for FigureDifference {
    fn from(difference: Difference) -> Self {
        Self {
            total: difference.total(),
            reached: difference.reached,
            withdrawn: difference.withdrawn,
            opened: difference.opened,
            closed: difference.closed,
            reclassified_in: difference.reclassified_in,
            reclassified_out: difference.reclassified_out,
            corrected: difference.corrected,
        }
    }
}

/// The counts of one group.
pub struct FigureCell<'a> {
    pub figures: &'a RolloutFigures,
    pub group: Group,
    pub counts: Counts,
    /// The counts of the earlier side.
    pub earlier: Option<Counts>,
}

/// The four counts of one group, and each opens into its facilities.
#[Object]
impl FigureCell<'_> {
    /// The kind, if grouped by it.
    async fn kind(&self) -> Option<FacilityKind> {
        self.group.kind
    }

    /// The prefecture, if grouped by it.
    async fn prefecture(&self) -> Option<PrefectureName> {
        self.group.prefecture.map(PrefectureName::from)
    }

    /// The regional bureau, if grouped by it.
    async fn bureau(&self) -> Option<Bureau> {
        self.group.bureau
    }

    /// The vendor, if grouped by it; null for facilities that engaged none.
    async fn vendor(&self, context: &Context<'_>) -> ApiResult<Option<OrganisationSummary>> {
        name(context, self.group.vendor.flatten()).await
    }

    /// The chain, if grouped by it; null for facilities that belonged to none.
    async fn chain(&self, context: &Context<'_>) -> ApiResult<Option<OrganisationSummary>> {
        name(context, self.group.chain.flatten()).await
    }

    /// Open facilities.
    async fn all(&self) -> i64 {
        self.counts.all
    }

    /// With a reader application in effect.
    async fn applied(&self) -> i64 {
        self.counts.applied
    }

    /// Ready (準備完了).
    async fn ready(&self) -> i64 {
        self.counts.ready
    }

    /// Live (運用開始).
    async fn live(&self) -> i64 {
        self.counts.live
    }

    /// `applied` of `all`, in per cent, rounded half up to one decimal as published.
    async fn applied_percent(&self) -> Option<f64> {
        percent(self.counts.applied, self.counts.all)
    }

    /// `ready` of `all`, in per cent, rounded half up to one decimal as published.
    async fn ready_percent(&self) -> Option<f64> {
        percent(self.counts.ready, self.counts.all)
    }

    /// `live` of `all`, in per cent, rounded half up to one decimal as published.
    async fn live_percent(&self) -> Option<f64> {
        percent(self.counts.live, self.counts.all)
    }

    /// The counts less those of the earlier side; null without `compareWith`.
    async fn increase(&self) -> Option<FigureIncrease> {
        self.earlier.map(|earlier| {
            let increase = self.counts - earlier;
            FigureIncrease {
                all: increase.all,
                applied: increase.applied,
                ready: increase.ready,
                live: increase.live,
            }
        })
    }

    /// What the increase of a count is made of; null without `compareWith`.
    async fn difference(
        &self,
        #[graphql(desc = "Of which count.")] level: FigureLevel,
    ) -> Option<FigureDifference> {
        self.figures.movements.as_ref().map(|movements| {
            let question = self.figures.question.narrowed(&self.group);
            movements.split(&question.filter, level.into()).into()
        })
    }

    /// The facilities behind a count, as far as you can see them today; `totalCount` is the count. Group and filter so that there
    /// are at most ten counts to open.
    async fn facilities(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Which count.")] level: FigureLevel,
        #[graphql(desc = "How many; at most 100.")] first: Option<i32>,
        #[graphql(desc = "The cursor after which to begin.")] after: Option<String>,
    ) -> ApiResult<FacilityConnection> {
        if !self.figures.opens(&self.group) {
            return Err(ApiError::bad_input(
                "TOO_MANY_GROUPS",
                format!("filter so that there are at most {MOST_OPENED} groups to open"),
            ));
        }
        let opening = Opening {
            level,
            first,
            after,
        };
        let page = self.figures.page(&self.group, &opening)?;
        let ids = match self.figures.opened.get(&(self.group, opening)) {
            Some(ids) => ids.clone(),
            None => {
                let database = &services(context)?.database;
                page.read(&Reading::apart(database), &caller(context)?.actor)
                    .await?
            }
        };
        let total = ListTotal::exact(self.counts.at(level.into()));
        connection(context, &page, ids, total).await
    }
}

impl PlainFields for FigureCell<'_> {
    const TYPE: &'static str = "FigureCell";

    fn value(&self, field: &PlainField<'_>) -> Option<Value> {
        let Self { group, counts, .. } = self;
        Some(match field.name() {
            "kind" => group.kind.to_value(),
            "prefecture" => group.prefecture.map(PrefectureName::from).to_value(),
            "bureau" => group.bureau.to_value(),
            "all" => counts.all.into(),
            "applied" => counts.applied.into(),
            "ready" => counts.ready.into(),
            "live" => counts.live.into(),
            "appliedPercent" => percent(counts.applied, counts.all).to_value(),
            "readyPercent" => percent(counts.ready, counts.all).to_value(),
            "livePercent" => percent(counts.live, counts.all).to_value(),
            _ => return None,
        })
    }
}

/// Which page behind a count a query selects, as its arguments say.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Opening {
    level: FigureLevel,
    first: Option<i32>,
    after: Option<String>,
}

/// A page behind a count that may be read.
pub struct OpenedPage {
    question: Question,
    level: Level,
    list: Fingerprint,
    after: Option<FacilityId>,
    size: usize,
}

impl Opening {
    /// The pages that a query selects of a cell, whatever they are called.
    pub fn all_of(cell: &Lookahead<'_>) -> Vec<Self> {
        let pages = cell.field("facilities").selection_fields();
        pages.iter().filter_map(Self::of).collect()
    }

    fn of(page: &SelectionField<'_>) -> Option<Self> {
        let arguments: HashMap<Name, Value> = page.arguments().ok()?.into_iter().collect();
        let argument = |name: &str| arguments.get(name).cloned();
        Some(Self {
            level: InputType::parse(argument("level")).ok()?,
            first: InputType::parse(argument("first")).ok()?,
            after: InputType::parse(argument("after")).ok()?,
        })
    }

    /// The page, if the arguments make one of the facilities that a question counts, on the day that was named.
    pub fn page(&self, question: Question, named_day: Option<NaiveDate>) -> ApiResult<OpenedPage> {
        let arguments = PageArguments {
            after: self.after.clone(),
            first: self.first,
            ..PageArguments::default()
        };
        let level = Level::from(self.level);
        let list = Fingerprint::of(&(named_day, question.known, &question.filter, level));
        let page = arguments.check(&list)?;
        Ok(OpenedPage {
            question,
            level,
            list,
            after: page.from.as_deref().map(read_cursor).transpose()?,
            size: page.size,
        })
    }
}

impl OpenedPage {
    /// Its facilities, and one more if there is another page.
    pub async fn read(&self, reading: &Reading<'_>, actor: &Actor) -> ApiResult<Vec<FacilityId>> {
        let most = u64::try_from(self.size).unwrap_or(0) + 1;
        let ids = reading.open(actor, &self.question, self.level, self.after, most);
        Ok(ids.await?)
    }
}

async fn connection(
    context: &Context<'_>,
    page: &OpenedPage,
    mut ids: Vec<FacilityId>,
    total: ListTotal,
) -> ApiResult<FacilityConnection> {
    let services = services(context)?;
    let actor = &caller(context)?.actor;
    let more = ids.len() > page.size;
    ids.truncate(page.size);
    let ahead = context.look_ahead();
    let mut selected = Selected::of(&ahead.field("nodes"));
    selected.merge(Selected::of(&ahead.field("edges").field("node")));
    let mut facilities = facilities_by_id(services, actor, &ids, selected).await?;
    let mut connection = Connection::with_additional_fields(page.after.is_some(), more, total);
    connection.edges = ids
        .into_iter()
        .filter_map(|id| {
            let facility = facilities.remove(&id)?;
            Some(Edge::new(page.list.cursor(&[&id.to_string()]), facility))
        })
        .collect();
    Ok(connection)
}

fn read_cursor(parts: &[String]) -> ApiResult<FacilityId> {
    match parts {
        [id] => id.parse().ok().map(FacilityId),
        _ => None,
    }
    .ok_or_else(|| ApiError::bad_input("BAD_CURSOR", "this cursor is not from this list"))
}

pub(super) async fn name(
    context: &Context<'_>,
    organisation: Option<OrganisationId>,
) -> ApiResult<Option<OrganisationSummary>> {
    let Some(id) = organisation else {
        return Ok(None);
    };
    let loader = context
        .data_opt::<async_graphql::dataloader::DataLoader<OrganisationNames>>()
        .ok_or_else(|| ApiError::bad_input("INTERNAL", "no loader"))?;
    let name: Option<OrganisationName> = loader.load_one(id).await.map_err(ApiError::Internal)?;
    Ok(name.map(|name| OrganisationSummary {
        id: NodeId::new(NodeKind::Organisation, name.id.0).encode(),
        name: name.name,
    }))
}

/// Per cent to one decimal, rounded half up, without the error of a binary fraction before the rounding.
pub fn percent(part: i64, whole: i64) -> Option<f64> {
    if whole <= 0 {
        return None;
    }
    let tenths = (part * 2_000 + whole) / (whole * 2);
    i32::try_from(tenths)
        .ok()
        .map(|tenths| f64::from(tenths) / 10.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_rounded_as_the_report_prints_them() {
        for (part, whole, printed) in [
            (6_406, 8_226, 77.9),
            (39_607, 89_429, 44.3),
            (34_561, 70_791, 48.8),
            (49_168, 60_775, 80.9),
            (129_742, 229_221, 56.6),
            (21_288, 229_221, 9.3),
            (1, 2_000, 0.1),
            (0, 5, 0.0),
        ] {
            assert_eq!(percent(part, whole), Some(printed), "{part} of {whole}");
        }
        assert_eq!(percent(0, 0), None);
    }
}
