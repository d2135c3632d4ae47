//! Users, organisations, memberships and service tokens as the API shows them.

use async_graphql::{
    ComplexObject, Context, ID, OutputType, SimpleObject,
    connection::{Connection, Edge},
};
use chrono::{DateTime, Utc};

use super::{answer::Request, query::invitations};
use crate::{
    api::{
        ApiResult, NodeId, PageArguments,
        node_id::NodeKind,
        page::{Fingerprint, bad_cursor},
    },
    auth::{Language, OrganisationKind, Permission, Role, entity, entity::members::IdPage},
    db::OrganisationId,
    facility::Bureau,
};

/// A person with an account.
#[derive(Clone, Debug, SimpleObject)]
#[graphql(complex)]
pub struct User {
    #[graphql(skip)]
    pub id: ID,
    /// The address that identifies the account.
    email: String,
    /// The name others see.
    name: String,
    /// The language of mails and messages.
    language: Language,
    /// When the account was made.
    created_at: DateTime<Utc>,
}

impl From<entity::User> for User {
    fn from(user: entity::User) -> Self {
        Self {
            id: NodeId::new(NodeKind::User, user.id.0).encode(),
            email: user.email,
            name: user.name,
            language: user.language,
            created_at: user.created_at,
        }
    }
}

/// A vendor, a chain, the ministry … with the people who act in its name.
#[derive(Clone, Debug, SimpleObject)]
#[graphql(complex)]
pub struct Organisation {
    #[graphql(skip)]
    row: OrganisationId,
    #[graphql(skip)]
    pub id: ID,
    /// What it is in the rollout.
    kind: OrganisationKind,
    /// Its name.
    name: String,
    /// Its name in kana.
    name_kana: String,
    /// Which regional bureau it is; null if it is none.
    bureau: Option<Bureau>,
    /// Global id of the facility whose own account this is; null if it is none.
    facility_id: Option<ID>,
    /// Global id of the chain that it is a part of; null if it is none's.
    parent_id: Option<ID>,
}

impl From<entity::Organisation> for Organisation {
    fn from(organisation: entity::Organisation) -> Self {
        Self {
            row: organisation.id,
            id: NodeId::new(NodeKind::Organisation, organisation.id.0).encode(),
            kind: organisation.kind,
            name: organisation.name,
            name_kana: organisation.name_kana,
            bureau: organisation.bureau,
            facility_id: organisation
                .facility
                .map(|facility| NodeId::new(NodeKind::Facility, facility.0).encode()),
            parent_id: organisation
                .parent
                .map(|parent| NodeId::new(NodeKind::Organisation, parent.0).encode()),
        }
    }
}

/// A page of memberships.
pub type MembershipConnection = Connection<String, Membership>;
/// A page of open invitations.
pub type InvitationConnection = Connection<String, Invitation>;
/// A page of service tokens.
pub type ServiceTokenConnection = Connection<String, ServiceToken>;

#[ComplexObject]
impl Organisation {
    /// Global id.
    pub async fn id(&self) -> ID {
        self.id.clone()
    }

    /// The people who act in its name. Give `first` or `last`.
    async fn members(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "After this cursor.")] after: Option<String>,
        #[graphql(desc = "Before this cursor.")] before: Option<String>,
        #[graphql(desc = "The first so many, at most 100.")] first: Option<i32>,
        #[graphql(desc = "The last so many, at most 100.")] last: Option<i32>,
    ) -> ApiResult<MembershipConnection> {
        let arguments = PageArguments {
            after,
            before,
            first,
            last,
        };
        let list = Fingerprint::of(&("members", self.row));
        let request = Request::of(context)?;
        let page = id_page(&arguments, &list)?;
        let rows = request.auth.members(request.actor, self.row, page).await?;
        Ok(connection(rows, page, &list, |member| member.user.id.0))
    }

    /// The invitations to it that are still open; none unless you administer it. Give `first` or `last`.
    async fn invitations(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "After this cursor.")] after: Option<String>,
        #[graphql(desc = "Before this cursor.")] before: Option<String>,
        #[graphql(desc = "The first so many, at most 100.")] first: Option<i32>,
        #[graphql(desc = "The last so many, at most 100.")] last: Option<i32>,
    ) -> ApiResult<InvitationConnection> {
        let arguments = PageArguments {
            after,
            before,
            first,
            last,
        };
        let list = Fingerprint::of(&("invitations", self.row));
        let request = Request::of(context)?;
        let page = id_page(&arguments, &list)?;
        let found = request
            .auth
            .invitations(request.actor, self.row, page)
            .await?;
        let rows = invitations(context, found).await?;
        Ok(connection(rows, page, &list, |invitation| invitation.row))
    }

    /// The systems that come in in its name; none unless you administer it. Give `first` or `last`.
    async fn service_tokens(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "After this cursor.")] after: Option<String>,
        #[graphql(desc = "Before this cursor.")] before: Option<String>,
        #[graphql(desc = "The first so many, at most 100.")] first: Option<i32>,
        #[graphql(desc = "The last so many, at most 100.")] last: Option<i32>,
    ) -> ApiResult<ServiceTokenConnection> {
        let arguments = PageArguments {
            after,
            before,
            first,
            last,
        };
        let list = Fingerprint::of(&("serviceTokens", self.row));
        let request = Request::of(context)?;
        let page = id_page(&arguments, &list)?;
        let rows = request
            .auth
            .service_tokens(request.actor, self.row, page)
            .await?;
        Ok(connection(rows, page, &list, |token| token.id))
    }
}

/// One row more than the page has, to see whether there is another page.
fn id_page(arguments: &PageArguments, list: &Fingerprint) -> ApiResult<IdPage> {
    let page = arguments.check(list)?;
    let from = page.from.as_deref().map(read_cursor).transpose()?;
    Ok(IdPage {
        after: from.filter(|_| !page.backwards),
        before: from.filter(|_| page.backwards),
        limit: u16::try_from(page.size).unwrap_or(0) + 1,
        from_end: page.backwards,
    })
}

fn read_cursor(parts: &[String]) -> ApiResult<i64> {
    match parts {
        [id] => id.parse().ok(),
        _ => None,
    }
    .ok_or_else(bad_cursor)
}

fn connection<R, T: From<R> + OutputType>(
    mut rows: Vec<R>,
    page: IdPage,
    list: &Fingerprint,
    id: impl Fn(&R) -> i64,
) -> Connection<String, T> {
    let size = usize::from(page.limit.saturating_sub(1));
    let has_more = rows.len() > size;
    rows.truncate(size);
    if page.from_end {
        rows.reverse();
    }
    let (previous, next) = if page.from_end {
        (has_more, page.before.is_some())
    } else {
        (page.after.is_some(), has_more)
    };
    let mut connection = Connection::new(previous, next);
    connection.edges = rows
        .into_iter()
        .map(|row| Edge::new(list.cursor(&[&id(&row).to_string()]), T::from(row)))
        .collect();
    connection
}

/// A user's place in an organisation.
#[derive(Clone, Debug, SimpleObject)]
pub struct Membership {
    /// The member.
    user: User,
    /// The organisation.
    organisation: Organisation,
    /// What the member may do in its name.
    role: Role,
    /// Since when.
    created_at: DateTime<Utc>,
}

impl From<entity::Membership> for Membership {
    fn from(membership: entity::Membership) -> Self {
        Self {
            user: membership.user.into(),
            organisation: membership.organisation.into(),
            role: membership.role,
            created_at: membership.created_at,
        }
    }
}

/// An invitation that was mailed. As a node it is found while it is open, by those who may revoke it.
#[derive(Clone, Debug, SimpleObject)]
#[graphql(complex)]
pub struct Invitation {
    #[graphql(skip)]
    row: i64,
    #[graphql(skip)]
    pub id: ID,
    /// The organisation; null if you can no longer see it.
    organisation: Option<Organisation>,
    /// The address that it was mailed to.
    email: String,
    /// The role in the organisation.
    role: Role,
    /// Who sent it; null if you can't see them.
    invited_by: Option<User>,
    /// When it is over.
    expires_at: DateTime<Utc>,
}

impl Invitation {
    pub(super) fn new(
        invitation: entity::OpenInvitation,
        organisation: Option<Organisation>,
        invited_by: Option<User>,
    ) -> Self {
        Self {
            row: invitation.id,
            id: NodeId::new(NodeKind::Invitation, invitation.id).encode(),
            organisation,
            email: invitation.email,
            role: invitation.role,
            invited_by,
            expires_at: invitation.expires_at,
        }
    }
}

/// How a vendor's own system comes in. Its secret is shown once, when it is made.
#[derive(Clone, Debug, SimpleObject)]
#[graphql(complex)]
pub struct ServiceToken {
    #[graphql(skip)]
    pub id: ID,
    /// What it is for.
    name: String,
    /// The role it has in the organisation.
    role: Role,
    /// What it is limited to.
    permissions: Vec<Permission>,
    /// When it was made.
    created_at: DateTime<Utc>,
    /// When it is over.
    expires_at: DateTime<Utc>,
    /// When it was revoked; null if it wasn't.
    revoked_at: Option<DateTime<Utc>>,
    /// When it was last used, to the minute; null if never.
    last_used_at: Option<DateTime<Utc>>,
}

impl From<entity::ServiceToken> for ServiceToken {
    fn from(token: entity::ServiceToken) -> Self {
        Self {
            id: NodeId::new(NodeKind::ServiceToken, token.id).encode(),
            name: token.name,
            role: token.role,
            permissions: token.permissions,
            created_at: token.created_at,
            expires_at: token.expires_at,
            revoked_at: token.revoked_at,
            last_used_at: token.last_used_at,
        }
    }
}

/// Who is asking.
#[derive(Clone, Debug, SimpleObject)]
pub struct Viewer {
    /// The person; null for a system.
    pub(super) user: Option<User>,
    /// The person's memberships.
    pub(super) memberships: Vec<Membership>,
    /// What the viewer may do in at least one organisation.
    pub(super) permissions: Vec<Permission>,
    /// The language of messages to the viewer.
    pub(super) language: Language,
}

#[ComplexObject]
impl User {
    /// Global id.
    pub async fn id(&self) -> ID {
        self.id.clone()
    }
}

#[ComplexObject]
impl Invitation {
    /// Global id.
    pub async fn id(&self) -> ID {
        self.id.clone()
    }
}

#[ComplexObject]
impl ServiceToken {
    /// Global id.
    pub async fn id(&self) -> ID {
        self.id.clone()
    }
}
