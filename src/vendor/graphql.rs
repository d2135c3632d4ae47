//! The directory in the API.

use std::collections::HashMap;

use async_graphql::{
    ComplexObject, Context, ID, InputObject, Lookahead, Object, SimpleObject,
    connection::{Connection, Edge},
};

use super::{
    ContactPoint, ProfilePatch, Slip, Vendor as Row, VendorKind, Wrong,
    entity::{self, Cursor, ListQuery, Wanted},
    service::{self, Outcome},
};
use crate::{
    api::{
        ApiError, ApiResult, NodeId, PageArguments, UserError, UserErrorCode, WriteOptions,
        context::{caller, services, writer},
        node_id::NodeKind,
        page::{Fingerprint, bad_cursor},
    },
    auth::Language,
    db::OrganisationId,
    facility::{
        Prefecture,
        graphql::{PrefectureName, fold_search, user_errors},
    },
};

/// A vendor or support contractor, as everybody may read it.
#[derive(Clone, Debug, SimpleObject)]
#[graphql(complex)]
pub struct Vendor {
    #[graphql(skip)]
    id: ID,
    /// Global id of its organisation, by which facilities are linked to it.
    organisation_id: ID,
    /// What it is.
    kind: VendorKind,
    /// Its name.
    name: String,
    /// Its name in kana.
    name_kana: String,
    /// Whether it takes on work at present; null while it has not said.
    accepts_work: Option<bool>,
    /// A few sentences of its own; empty if it told none.
    introduction: String,
    /// Where it works; empty while it has not said.
    areas: Vec<PrefectureName>,
    /// The systems that it knows, such as receipt computers, in its own order.
    systems: Vec<String>,
    /// How to reach it, in its own order.
    contacts: Vec<VendorContact>,
    /// How often it has told something; 0 for one that has told nothing yet.
    version: i32,
}

/// Where somebody can be reached.
#[derive(Clone, Debug, SimpleObject)]
pub struct VendorContact {
    /// What for, or who answers.
    label: String,
    /// A telephone number.
    phone: Option<String>,
    /// A mail address.
    email: Option<String>,
    /// The address of a page.
    url: Option<String>,
}

#[ComplexObject]
impl Vendor {
    /// Global id.
    pub async fn id(&self) -> ID {
        self.id.clone()
    }
}

impl From<Row> for Vendor {
    fn from(vendor: Row) -> Self {
        let contact = |contact: ContactPoint| VendorContact {
            label: contact.label,
            phone: contact.phone,
            email: contact.email,
            url: contact.url,
        };
        let profile = vendor.profile;
        Self {
            id: NodeId::new(NodeKind::Vendor, vendor.id.0).encode(),
            organisation_id: NodeId::new(NodeKind::Organisation, vendor.id.0).encode(),
            kind: vendor.kind,
            name: vendor.name,
            name_kana: vendor.name_kana,
            accepts_work: profile.accepts_work,
            introduction: profile.introduction,
            areas: profile.areas.into_iter().map(Into::into).collect(),
            systems: profile.systems,
            contacts: profile.contacts.into_iter().map(contact).collect(),
            version: vendor.version,
        }
    }
}

/// How many a list of the directory has.
#[derive(Clone, Copy, Debug, SimpleObject)]
pub struct VendorTotal {
    /// How many vendors and support contractors the list has.
    total_count: i64,
}

/// A page of the directory.
pub type VendorConnection = Connection<String, Vendor, VendorTotal>;

/// Whom to list; all conditions must hold.
#[derive(Clone, Debug, Default, InputObject)]
pub struct VendorFilter {
    /// Of these kinds; both if none is given.
    #[graphql(default)]
    kinds: Vec<VendorKind>,
    #[graphql(flatten)]
    offer: VendorOffer,
}

/// What is looked for; all conditions must hold.
#[derive(Clone, Debug, Default, InputObject)]
pub struct VendorOffer {
    /// Works in one of these prefectures.
    #[graphql(default)]
    areas: Vec<PrefectureName>,
    /// Knows a system with this in its name, 2 to 100 characters; width, case and kana make no difference.
    system: Option<String>,
    /// Has this in its name or kana, 2 to 100 characters; width, case and kana make no difference.
    search: Option<String>,
    /// Takes on work at present, or has said that it does not.
    accepts_work: Option<bool>,
}

/// Contact details to be told.
#[derive(Clone, Debug, InputObject)]
pub struct VendorContactInput {
    /// What for, or who answers: 1 to 200 characters.
    label: String,
    /// A telephone number.
    phone: Option<String>,
    /// A mail address.
    email: Option<String>,
    /// The address of a page, with https:// or http://.
    url: Option<String>,
}

/// What an organisation tells of itself; what is not given stays. Everyone with an account reads it, and what a support
/// contractor tells everyone.
#[derive(Debug, InputObject)]
pub struct VendorUpdateInput {
    /// Global id of the vendor.
    vendor_id: ID,
    /// Whether it takes on work at present.
    accepts_work: Option<bool>,
    /// A few sentences, at most 2,000 characters.
    introduction: Option<String>,
    /// Where it works, in place of what was told.
    areas: Option<Vec<PrefectureName>>,
    /// The systems that it knows, at most 50, in place of what was told.
    systems: Option<Vec<String>>,
    /// How to reach it, at most 10, in place of what was told; each needs one way at least.
    contacts: Option<Vec<VendorContactInput>>,
    /// The version you read: refused if somebody changed it since.
    expected_version: Option<i32>,
    #[graphql(flatten)]
    options: WriteOptions,
}

/// A vendor, or why its entry was not changed.
#[derive(SimpleObject)]
pub struct VendorPayload {
    /// The vendor as it is now; null if there is none.
    vendor: Option<Vendor>,
    /// Why it was refused; empty if it wasn't.
    user_errors: Vec<UserError>,
}

/// Queries over the directory.
#[derive(Default)]
pub struct VendorQuery;

#[Object]
impl VendorQuery {
    /// Vendors and support contractors in the order of their names in kana. Give `first` or `last`.
    async fn vendors(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Whom.")] filter: Option<VendorFilter>,
        #[graphql(desc = "How many, from `after`; at most 100.")] first: Option<i32>,
        #[graphql(desc = "The cursor after which to begin.")] after: Option<String>,
        #[graphql(desc = "How many, up to `before`; at most 100.")] last: Option<i32>,
        #[graphql(desc = "The cursor before which to end.")] before: Option<String>,
    ) -> ApiResult<VendorConnection> {
        let VendorFilter { kinds, offer } = filter.unwrap_or_default();
        let kinds = if kinds.is_empty() {
            VendorKind::ALL.to_vec()
        } else {
            kinds
        };
        let arguments = PageArguments {
            after,
            before,
            first,
            last,
        };
        list(context, kinds, offer, &arguments).await
    }

    /// The public list of support contractors (導入支援業者), in the order of their names in kana; without an account
    /// too. Give `first` or `last`.
    async fn support_contractors(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Whom.")] filter: Option<VendorOffer>,
        #[graphql(desc = "How many, from `after`; at most 100.")] first: Option<i32>,
        #[graphql(desc = "The cursor after which to begin.")] after: Option<String>,
        #[graphql(desc = "How many, up to `before`; at most 100.")] last: Option<i32>,
        #[graphql(desc = "The cursor before which to end.")] before: Option<String>,
    ) -> ApiResult<VendorConnection> {
        let arguments = PageArguments {
            after,
            before,
            first,
            last,
        };
        let kinds = vec![VendorKind::SupportContractor];
        list(context, kinds, filter.unwrap_or_default(), &arguments).await
    }
}

/// Mutations of the directory.
#[derive(Default)]
pub struct VendorMutation;

#[Object]
impl VendorMutation {
    /// Changes what a vendor or support contractor tells of itself.
    async fn vendor_update(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "What to tell.")] input: VendorUpdateInput,
    ) -> ApiResult<VendorPayload> {
        let patch = ProfilePatch {
            accepts_work: input.accepts_work,
            introduction: input.introduction,
            areas: input
                .areas
                .map(|areas| areas.into_iter().map(Prefecture::from).collect()),
            systems: input.systems,
            contacts: input
                .contacts
                .map(|contacts| contacts.into_iter().map(Into::into).collect()),
        };
        // An id of another type names no vendor: the service says so by the input's path.
        let vendor = NodeId::row_of(&input.vendor_id, NodeKind::Vendor).unwrap_or(0);
        let request = (vendor, input.expected_version, patch);
        let written = async {
            let writer = writer(context, "vendorUpdate", &input.options, &request)?;
            let (vendor, expected_version, patch) = &request;
            let vendor = OrganisationId(*vendor);
            ApiResult::Ok(service::update(&writer, vendor, *expected_version, patch).await?)
        };
        let written = written.await;
        services(context)?.written.notify_one();
        payload(context, written).await
    }
}

async fn payload(context: &Context<'_>, written: ApiResult<Outcome>) -> ApiResult<VendorPayload> {
    let actor = &caller(context)?.actor;
    let outcome = match written {
        Err(ApiError::Refused(problems)) => {
            return Ok(VendorPayload {
                vendor: None,
                user_errors: user_errors(&problems, actor, &["input"]),
            });
        }
        written => written?,
    };
    let rows: Vec<i64> = outcome.vendor.iter().map(|id| id.0).collect();
    let vendor = vendors_by_id(context, &rows).await?.into_values().next();
    let tell = |slip| user_error(slip, actor.language);
    Ok(VendorPayload {
        vendor,
        user_errors: outcome.slips.into_iter().map(tell).collect(),
    })
}

/// Those of some organisations that stand in the directory, by their rows.
pub async fn vendors_by_id(context: &Context<'_>, ids: &[i64]) -> ApiResult<HashMap<i64, Vendor>> {
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let ids: Vec<OrganisationId> = ids.iter().copied().map(OrganisationId).collect();
    let found = entity::find(&services(context)?.database, &ids, Wanted::ALL).await?;
    Ok(found
        .into_iter()
        .map(|vendor| (vendor.id.0, vendor.into()))
        .collect())
}

/// A page of the directory.
async fn list(
    context: &Context<'_>,
    kinds: Vec<VendorKind>,
    offer: VendorOffer,
    arguments: &PageArguments,
) -> ApiResult<VendorConnection> {
    let database = &services(context)?.database;
    let fingerprint = Fingerprint::of(&(&kinds, &offer));
    let page = arguments.check(&fingerprint)?;
    let from = page.from.as_deref().map(read_cursor).transpose()?;
    let search = offer.search.as_deref().map(fold_search).transpose()?;
    let system = offer.system.as_deref().map(fold_search).transpose()?;
    let list = ListQuery {
        kinds,
        areas: offer.areas.into_iter().map(Prefecture::from).collect(),
        found: entity::matching(database, search.as_deref(), system.as_deref()).await?,
        accepts_work: offer.accepts_work,
    };
    let ahead = context.look_ahead();
    let wanted = [ahead.field("nodes"), ahead.field("edges").field("node")]
        .iter()
        .map(wanted)
        .fold(Wanted::default(), Wanted::or);
    let (backwards, most) = (page.backwards, page.most());
    let vendors = entity::list(database, &list, wanted, from.as_ref(), backwards, most).await?;
    let (vendors, previous, next) = page.cut(vendors);
    let total_count = if ahead.field("totalCount").exists() {
        entity::count(database, &list).await?
    } else {
        0
    };
    let total = VendorTotal { total_count };
    let mut connection = Connection::with_additional_fields(previous, next, total);
    connection.edges = vendors
        .into_iter()
        .map(|vendor| {
            let cursor = fingerprint.cursor(&[vendor.name_kana.as_str(), &vendor.id.to_string()]);
            Edge::new(cursor, Vendor::from(vendor))
        })
        .collect();
    Ok(connection)
}

/// Which lists a selection of a vendor asks for.
fn wanted(vendor: &Lookahead<'_>) -> Wanted {
    Wanted {
        areas: vendor.field("areas").exists(),
        systems: vendor.field("systems").exists(),
        contacts: vendor.field("contacts").exists(),
    }
}

fn read_cursor(parts: &[String]) -> ApiResult<Cursor> {
    let [name_kana, id] = parts else {
        return Err(bad_cursor());
    };
    Ok(Cursor {
        name_kana: name_kana.clone(),
        id: id.parse().map_err(|_| bad_cursor())?,
    })
}

fn user_error(slip: Slip, language: Language) -> UserError {
    let (code, ja, en) = sentence(slip.wrong);
    let mut path = vec!["input".to_owned()];
    path.extend(slip.path);
    UserError {
        code,
        path,
        message: match language {
            Language::Ja => ja,
            Language::En => en,
        },
    }
}

/// The code and the sentence, in Japanese and in English.
fn sentence(wrong: Wrong) -> (UserErrorCode, String, String) {
    use UserErrorCode as Code;
    let (code, ja, en) = match wrong {
        Wrong::StaleVersion { current } => {
            return (
                Code::StaleVersion,
                format!(
                    "他の利用者が先に更新しました（現在の版：{current}）。読み直してください。"
                ),
                format!("Somebody changed it since you read it: its version is {current} now."),
            );
        }
        Wrong::BadText { most } => {
            return (
                Code::InvalidText,
                format!("{most}文字以内とし、制御文字を含めないでください。"),
                format!("At most {most} characters, and none of them a control character."),
            );
        }
        Wrong::TooMany { most } => {
            return (
                Code::OutOfRange,
                format!("{most}件以内で入力してください。"),
                format!("At most {most} of them."),
            );
        }
        Wrong::NotFound => (
            Code::NotFound,
            "事業者が見つかりません。",
            "There is no such vendor.",
        ),
        Wrong::Forbidden => (
            Code::Forbidden,
            "他の事業者の情報は変更できません。",
            "This is another vendor's.",
        ),
        Wrong::Missing => (
            Code::Missing,
            "入力してください。",
            "Something is needed here.",
        ),
        Wrong::NoWay => (
            Code::Missing,
            "電話番号、メールアドレス、URLのいずれかを入力してください。",
            "A telephone number, a mail address or a page is needed.",
        ),
        Wrong::Repeated => (
            Code::DuplicateRow,
            "同じものが重複しています。",
            "It stands in the list already.",
        ),
        Wrong::BadEmail => (
            Code::InvalidEmail,
            "メールアドレスの形式が正しくありません。",
            "This is not an e-mail address.",
        ),
        Wrong::BadUrl => (
            Code::InvalidText,
            "https:// または http:// で始まる500文字以内のURLを入力してください。",
            "This is not the address of a page: it begins with https:// or http:// and has at most 500 characters.",
        ),
    };
    (code, ja.to_owned(), en.to_owned())
}

impl From<VendorContactInput> for ContactPoint {
    fn from(contact: VendorContactInput) -> Self {
        Self {
            label: contact.label,
            phone: contact.phone,
            email: contact.email,
            url: contact.url,
        }
    }
}
