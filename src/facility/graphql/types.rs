//! The type `Facility` and what belongs to it. A facility is fetched with everything that the query
//! selects of it, so its fields only hand out what is there.

use std::collections::HashMap;

use async_graphql::{Context, ID, InputType, Lookahead, Object, SimpleObject, Value};
use chrono::NaiveDate;

use super::{
    PrefectureName,
    timeline::{TimelineEntry, timeline_entry},
};
use crate::{
    api::{
        ApiError, ApiResult, Date, NodeId,
        context::{caller, services},
        node_id::NodeKind,
        plain::{Plain, PlainField, PlainFields},
    },
    app::{Services, calendar::business_days},
    auth::{Actor, OrganisationName, Permission},
    db::{DbErr, FacilityId},
    facility::{
        Bureau, FacilityKind,
        entity::{self, Condition, FacilityRow, Fields},
    },
    milestone::{
        Blocker, Milestone, Stage,
        entity::{TimelineRow, blockers, plans, timelines},
    },
};

/// A hospital, clinic or pharmacy (施設), as it stands now.
#[derive(Clone, Debug)]
pub struct FacilityFields {
    row: FacilityRow,
    reference: Option<String>,
    past_codes: Vec<(String, NaiveDate)>,
    planned: Vec<(Milestone, NaiveDate)>,
    blockers: Vec<FacilityBlocker>,
    today: NaiveDate,
    timeline: Vec<TimelineRow>,
}

/// A hospital, clinic or pharmacy (施設), as it stands now.
pub type Facility = Plain<FacilityFields>;

impl PlainFields for FacilityFields {
    const TYPE: &'static str = "Facility";

    fn value(&self, field: &PlainField<'_>) -> Option<Value> {
        let row = &self.row;
        let text = |text: &str| Value::String(text.to_owned());
        Some(match field.name() {
            "id" => NodeId::new(NodeKind::Facility, row.id.0)
                .encode()
                .to_value(),
            "code" => text(&row.code),
            "kind" => row.kind.to_value(),
            "prefecture" => PrefectureName::from(row.prefecture).to_value(),
            "name" => text(&row.names.as_ref()?.0),
            "nameKana" => text(&row.names.as_ref()?.1),
            "publicInstitution" => row.public_institution.into(),
            "openedOn" => Date(row.opened_on).to_value(),
            "closedOn" => row.closed_on.map(Date).to_value(),
            "stage" => row.stage.to_value(),
            "lastMilestoneOn" => row.last_milestone_on.map(Date).to_value(),
            "waitingBusinessDays" => self.waiting().map_or(Value::Null, Value::from),
            "version" => row.version.into(),
            "reference" => self.reference.as_deref().map_or(Value::Null, text),
            "vendor" => field.optional(row.vendor.as_ref())?,
            "chain" => field.optional(row.chain.as_ref())?,
            "supportContractor" => field.optional(row.contractor.as_ref())?,
            "corporation" => field.optional(row.corporation.as_ref())?,
            "area" => field.optional(row.area.as_ref())?,
            "milestones" => field.list(self.milestone_statuses())?,
            "blockers" => field.list(self.blockers.iter().copied())?,
            _ => return None,
        })
    }
}

impl PlainFields for OrganisationName {
    const TYPE: &'static str = "OrganisationSummary";

    fn value(&self, field: &PlainField<'_>) -> Option<Value> {
        match field.name() {
            "id" => Some(
                NodeId::new(NodeKind::Organisation, self.id.0)
                    .encode()
                    .to_value(),
            ),
            "name" => Some(Value::String(self.name.clone())),
            _ => None,
        }
    }
}

impl PlainFields for MilestoneStatus {
    const TYPE: &'static str = "MilestoneStatus";

    fn value(&self, field: &PlainField<'_>) -> Option<Value> {
        match field.name() {
            "milestone" => Some(self.milestone.to_value()),
            "reachedOn" => Some(self.reached_on.to_value()),
            "plannedOn" => Some(self.planned_on.to_value()),
            _ => None,
        }
    }
}

impl PlainFields for FacilityBlocker {
    const TYPE: &'static str = "FacilityBlocker";

    fn value(&self, field: &PlainField<'_>) -> Option<Value> {
        match field.name() {
            "blocker" => Some(self.blocker.to_value()),
            "since" => Some(self.since.to_value()),
            "businessDays" => Some(self.business_days.into()),
            _ => None,
        }
    }
}

/// An organisation's id and name.
#[derive(Clone, Debug, SimpleObject)]
pub struct OrganisationSummary {
    /// Global id of the organisation.
    pub id: ID,
    /// Its name.
    pub name: String,
}

/// An institution code that a facility had before a succession (承継). It stays findable by it.
#[derive(Clone, Debug, SimpleObject)]
pub struct PastCode {
    /// Ten digits.
    code: String,
    /// The day from which another code holds.
    valid_until: Date,
}

/// Where a facility stands with one milestone.
#[derive(Clone, Debug, SimpleObject)]
pub struct MilestoneStatus {
    /// Which milestone.
    milestone: Milestone,
    /// Since when it is in effect; null if it is not.
    reached_on: Option<Date>,
    /// The planned date in force; null if none.
    planned_on: Option<Date>,
}

/// What holds a facility up.
#[derive(Clone, Copy, Debug, SimpleObject)]
pub struct FacilityBlocker {
    /// What.
    blocker: Blocker,
    /// The civil day (JST) since which it does.
    since: Date,
    /// How many business days have passed since then.
    business_days: i32,
}

/// A hospital, clinic or pharmacy (施設), as it stands now.
#[Object(name = "Facility")]
impl FacilityFields {
    /// Global id.
    pub async fn id(&self) -> ID {
        NodeId::new(NodeKind::Facility, self.row.id.0).encode()
    }

    /// The present institution code (医療機関コード), ten digits.
    async fn code(&self) -> &str {
        &self.row.code
    }

    /// The institution codes that it had before, the oldest first.
    async fn past_codes(&self) -> Vec<PastCode> {
        self.past_codes
            .iter()
            .map(|(code, until)| PastCode {
                code: code.clone(),
                valid_until: Date(*until),
            })
            .collect()
    }

    /// What it is.
    async fn kind(&self) -> FacilityKind {
        self.row.kind
    }

    /// Where it is.
    async fn prefecture(&self) -> PrefectureName {
        self.row.prefecture.into()
    }

    /// The regional bureau in charge.
    async fn bureau(&self) -> Bureau {
        self.row.prefecture.bureau()
    }

    /// Its name.
    async fn name(&self) -> ApiResult<&str> {
        self.names().map(|(name, _)| name.as_str())
    }

    /// Its name in katakana.
    async fn name_kana(&self) -> ApiResult<&str> {
        self.names().map(|(_, kana)| kana.as_str())
    }

    /// Its postal code, such as 100-8916.
    async fn postal_code(&self) -> Option<&str> {
        self.row.contacts.as_ref().map(|(code, ..)| code.as_str())
    }

    /// Its address, prefecture first.
    async fn address(&self) -> Option<&str> {
        self.row
            .contacts
            .as_ref()
            .map(|(_, address, ..)| address.as_str())
    }

    /// Its telephone number.
    async fn phone(&self) -> Option<&str> {
        self.row
            .contacts
            .as_ref()
            .map(|(_, _, phone, _)| phone.as_str())
    }

    /// Its mail address.
    async fn email(&self) -> Option<&str> {
        self.row
            .contacts
            .as_ref()
            .and_then(|(_, _, _, email)| email.as_deref())
    }

    /// Is it a public institution (公的医療機関等)?
    async fn public_institution(&self) -> bool {
        self.row.public_institution
    }

    /// The day it opened.
    async fn opened_on(&self) -> Date {
        self.row.opened_on.into()
    }

    /// The day from which it no longer counts; null while it is open.
    async fn closed_on(&self) -> Option<Date> {
        self.row.closed_on.map(Date)
    }

    /// How far it has come, from the furthest milestone in effect.
    async fn stage(&self) -> Stage {
        self.row.stage
    }

    /// The latest day on which a milestone in effect was reached.
    async fn last_milestone_on(&self) -> Option<Date> {
        self.row.last_milestone_on.map(Date)
    }

    /// For how many business days it has waited for its next milestone: since the last, or since it opened if there is
    /// none. Null once it is live, and while it is not open.
    async fn waiting_business_days(&self) -> Option<i32> {
        self.waiting()
    }

    /// Counts up with every change: give it as `expectedVersion` to change only what you read.
    async fn version(&self) -> i32 {
        self.row.version
    }

    /// What your organisation's own systems call it; null if you set none. With several organisations, the first that
    /// did.
    async fn reference(&self) -> Option<&str> {
        self.reference.as_deref()
    }

    /// The vendor (システム事業者) it engages today.
    async fn vendor(&self) -> Option<OrganisationSummary> {
        self.row.vendor.as_ref().map(summary)
    }

    /// The chain it belongs to today.
    async fn chain(&self) -> Option<OrganisationSummary> {
        self.row.chain.as_ref().map(summary)
    }

    /// The support contractor (導入支援業者) that it is handed on to today.
    async fn support_contractor(&self) -> Option<OrganisationSummary> {
        self.row.contractor.as_ref().map(summary)
    }

    /// The corporation (法人) of its chain that owns it today.
    async fn corporation(&self) -> Option<OrganisationSummary> {
        self.row.corporation.as_ref().map(summary)
    }

    /// The area (エリア) of its chain that it belongs to today.
    async fn area(&self) -> Option<OrganisationSummary> {
        self.row.area.as_ref().map(summary)
    }

    /// The ten milestones, in order.
    async fn milestones(&self) -> Vec<MilestoneStatus> {
        self.milestone_statuses().collect()
    }

    /// What holds it up today.
    async fn blockers(&self) -> &[FacilityBlocker] {
        &self.blockers
    }

    /// What was recorded of it, in the order of recording: the latest 500 entries.
    async fn timeline(&self) -> Vec<TimelineEntry> {
        self.timeline.iter().map(timeline_entry).collect()
    }
}

impl FacilityBlocker {
    fn told(blocker: Blocker, since: NaiveDate, today: NaiveDate) -> Self {
        Self {
            blocker,
            since: Date(since),
            business_days: waited(since, today),
        }
    }
}

fn waited(since: NaiveDate, today: NaiveDate) -> i32 {
    i32::try_from(business_days(since, today)).unwrap_or(i32::MAX)
}

impl FacilityFields {
    fn names(&self) -> ApiResult<&(String, String)> {
        let missing = || DbErr::Custom("a name was selected and not read".to_owned()).into();
        self.row.names.as_ref().ok_or_else(missing)
    }

    /// For how many business days it has waited for its next milestone.
    fn waiting(&self) -> Option<i32> {
        let (row, today) = (&self.row, self.today);
        let since = row.last_milestone_on.unwrap_or(row.opened_on);
        let open = row.opened_on <= today && row.closed_on.is_none_or(|day| day > today);
        (open && row.stage != Stage::Live).then(|| waited(since, today))
    }

    fn milestone_statuses(&self) -> impl Iterator<Item = MilestoneStatus> {
        let reached = self.row.milestones.unwrap_or_default();
        Milestone::ALL
            .into_iter()
            .map(move |milestone| MilestoneStatus {
                milestone,
                reached_on: reached.of(milestone).map(Date),
                planned_on: self
                    .planned
                    .iter()
                    .find(|(planned, _)| *planned == milestone)
                    .map(|(_, day)| Date(*day)),
            })
    }
}

/// An organisation as other objects name it.
pub fn summary(organisation: &OrganisationName) -> OrganisationSummary {
    OrganisationSummary {
        id: NodeId::new(NodeKind::Organisation, organisation.id.0).encode(),
        name: organisation.name.clone(),
    }
}

/// What a query selects of a facility.
#[derive(Clone, Copy, Debug, Default)]
pub struct Selected {
    /// Columns of its own row.
    pub fields: Fields,
    reference: bool,
    past_codes: bool,
    planned: bool,
    blockers: bool,
    timeline: bool,
}

impl Selected {
    /// From the selection set of a facility.
    pub fn of(facility: &Lookahead<'_>) -> Self {
        let mut selected = Self::default();
        for field in facility
            .selection_fields()
            .iter()
            .flat_map(|field| field.selection_set())
        {
            match field.name() {
                "name" | "nameKana" => selected.fields.names = true,
                "postalCode" | "address" | "phone" | "email" => selected.fields.contacts = true,
                "vendor" => selected.fields.vendor = true,
                "chain" => selected.fields.chain = true,
                "supportContractor" => selected.fields.contractor = true,
                "corporation" => selected.fields.corporation = true,
                "area" => selected.fields.area = true,
                "reference" => selected.reference = true,
                "pastCodes" => selected.past_codes = true,
                "timeline" => selected.timeline = true,
                "blockers" => selected.blockers = true,
                "milestones" => {
                    selected.fields.milestones = true;
                    selected.planned |= field.selection_set().any(|f| f.name() == "plannedOn");
                }
                _ => {}
            }
        }
        selected
    }

    /// What either selects.
    pub fn merge(&mut self, other: Self) {
        self.fields.names |= other.fields.names;
        self.fields.contacts |= other.fields.contacts;
        self.fields.milestones |= other.fields.milestones;
        self.fields.vendor |= other.fields.vendor;
        self.fields.chain |= other.fields.chain;
        self.fields.contractor |= other.fields.contractor;
        self.fields.corporation |= other.fields.corporation;
        self.fields.area |= other.fields.area;
        self.reference |= other.reference;
        self.past_codes |= other.past_codes;
        self.planned |= other.planned;
        self.blockers |= other.blockers;
        self.timeline |= other.timeline;
    }

    /// What either selects of a facility that may not be selected at all.
    pub fn either(one: Option<Self>, other: Option<Self>) -> Option<Self> {
        match (one, other) {
            (Some(mut one), Some(other)) => {
                one.merge(other);
                Some(one)
            }
            (one, other) => one.or(other),
        }
    }

    /// Of the field `name` below the field that is being resolved.
    pub fn below(context: &Context<'_>, name: &str) -> Self {
        Self::of(&context.look_ahead().field(name))
    }

    /// Completes rows with what stands in other tables, a statement for each table.
    pub async fn complete(
        self,
        services: &Services,
        actor: &Actor,
        rows: Vec<FacilityRow>,
    ) -> Result<Vec<Facility>, DbErr> {
        let database = &services.database;
        let ids: Vec<FacilityId> = rows.iter().map(|row| row.id).collect();
        let mut references = if self.reference {
            let organisations = actor.organisations_with(Permission::FacilityRead);
            entity::references_of(database, &organisations, &ids).await?
        } else {
            HashMap::new()
        };
        let mut past_codes = if self.past_codes {
            entity::past_codes(database, &ids).await?
        } else {
            HashMap::new()
        };
        let mut planned = if self.planned {
            plans(database, &ids).await?
        } else {
            HashMap::new()
        };
        let mut blocked = if self.blockers {
            blockers(database, &ids).await?
        } else {
            HashMap::new()
        };
        let mut timeline = if self.timeline {
            timelines(database, &ids).await?
        } else {
            HashMap::new()
        };
        let today = services.clock.today();
        let told = |blocked: Vec<(Blocker, NaiveDate)>| {
            let told = |(blocker, since)| FacilityBlocker::told(blocker, since, today);
            blocked.into_iter().map(told).collect()
        };
        Ok(rows
            .into_iter()
            .map(|row| FacilityFields {
                reference: references.remove(&row.id),
                past_codes: past_codes.remove(&row.id).unwrap_or_default(),
                planned: planned.remove(&row.id).unwrap_or_default(),
                blockers: blocked.remove(&row.id).map(told).unwrap_or_default(),
                today,
                timeline: timeline.remove(&row.id).unwrap_or_default(),
                row,
            })
            .map(Plain)
            .collect())
    }
}

/// The facility that fits, if the caller can see it.
pub async fn facility(
    services: &Services,
    actor: &Actor,
    condition: &Condition,
    selected: Selected,
) -> ApiResult<Option<Facility>> {
    let scope = actor.scope(Permission::FacilityRead);
    let read = services.database.read();
    let row = entity::find(read, &scope, condition, selected.fields).await?;
    let facilities = selected
        .complete(services, actor, row.into_iter().collect())
        .await?;
    Ok(facilities.into_iter().next())
}

/// The facilities with these ids that the caller can see.
pub async fn facilities_by_id(
    services: &Services,
    actor: &Actor,
    ids: &[FacilityId],
    selected: Selected,
) -> Result<HashMap<FacilityId, Facility>, DbErr> {
    let scope = actor.scope(Permission::FacilityRead);
    let rows = entity::find_all(&services.database, &scope, ids, selected.fields).await?;
    let facilities = selected.complete(services, actor, rows).await?;
    Ok(facilities
        .into_iter()
        .map(|facility| (facility.row.id, facility))
        .collect())
}

/// The facilities with these ids that the caller can see, for the field `facility` of the nodes of the connection that is
/// being resolved; none if no node is asked for it.
pub async fn facilities_of_nodes(
    context: &Context<'_>,
    mut ids: Vec<FacilityId>,
) -> ApiResult<HashMap<FacilityId, Facility>> {
    let ahead = context.look_ahead();
    let nodes = [ahead.field("nodes"), ahead.field("edges").field("node")];
    let asked = nodes.iter().map(|node| node.field("facility"));
    let selected = asked
        .filter(Lookahead::exists)
        .map(|facility| Selected::of(&facility))
        .reduce(|mut all, one| {
            all.merge(one);
            all
        });
    let Some(selected) = selected else {
        return Ok(HashMap::new());
    };
    ids.sort_unstable();
    ids.dedup();
    let actor = &caller(context)?.actor;
    Ok(facilities_by_id(services(context)?, actor, &ids, selected).await?)
}

/// An argument that is no id of the kind wanted.
pub fn bad_id() -> ApiError {
    ApiError::bad_input("BAD_ID", "this is not such an id")
}
