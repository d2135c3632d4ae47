//! Users and organisations.

use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, DbErr, QueryResult};

use super::{bureau_of, kind_of, language_of};
use crate::{
    auth::{Actor, Identity, Language, OrganisationKind, Permission, input::EmailAddress},
    db::{Database, FacilityId, OrganisationId, Query, Row, UserId},
    facility::Bureau,
};

/// A person with an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// Its row.
    pub id: UserId,
    /// The address, folded; it identifies the account.
    pub email: String,
    /// The name others see.
    pub name: String,
    /// The language of mails and messages.
    pub language: Language,
    /// Since when the user may not come in.
    pub disabled_at: Option<DateTime<Utc>>,
    /// When the account was made.
    pub created_at: DateTime<Utc>,
}

/// A vendor, a chain, the ministry …
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Organisation {
    /// Its row.
    pub id: OrganisationId,
    /// What it is in the rollout.
    pub kind: OrganisationKind,
    /// Its name.
    pub name: String,
    /// Its name in kana, by which lists are sorted.
    pub name_kana: String,
    /// The bureau, if it is one.
    pub bureau: Option<Bureau>,
    /// The facility, if this is a facility's own account.
    pub facility: Option<FacilityId>,
    /// The chain that it is a part of.
    pub parent: Option<OrganisationId>,
}

/// What is needed to make a user.
#[derive(Clone)]
pub struct UserNew<'a> {
    /// The address.
    pub email: &'a EmailAddress,
    /// The name.
    pub name: &'a str,
    /// The PHC string of the password.
    pub password_hash: &'a str,
    /// The language of mails and messages.
    pub language: Language,
}

/// What is needed to make an organisation.
#[derive(Clone, Debug)]
pub struct OrganisationNew<'a> {
    /// What it is.
    pub kind: OrganisationKind,
    /// Its name.
    pub name: &'a str,
    /// Its name in kana.
    pub name_kana: &'a str,
    /// The bureau, if it is one.
    pub bureau: Option<Bureau>,
    /// The facility, for a facility's own account.
    pub facility: Option<FacilityId>,
    /// The chain that it is a part of.
    pub parent: Option<OrganisationId>,
}

const USER_COLUMNS: &str = "u.id, u.email, u.display_name, u.language, u.disabled_at, u.created_at";
const ORGANISATION_COLUMNS: &str =
    "o.id, o.kind, o.name, o.name_kana, o.bureau, o.facility_id, o.parent_id";

/// The columns that [`read_user`] takes.
pub(super) fn user_columns() -> &'static str {
    USER_COLUMNS
}

/// The columns that [`read_organisation`] takes.
pub(super) fn organisation_columns() -> &'static str {
    ORGANISATION_COLUMNS
}

pub(super) fn read_user(row: &mut Row<'_>) -> Result<User, DbErr> {
    Ok(User {
        id: row.take()?,
        email: row.take()?,
        name: row.take()?,
        language: language_of(row.take()?)?,
        disabled_at: row.take()?,
        created_at: row.take()?,
    })
}

pub(super) fn read_organisation(row: &mut Row<'_>) -> Result<Organisation, DbErr> {
    Ok(Organisation {
        id: row.take()?,
        kind: kind_of(row.take()?)?,
        name: row.take()?,
        name_kana: row.take()?,
        bureau: bureau_of(row.take()?)?,
        facility: row.take()?,
        parent: row.take()?,
    })
}

/// A user and the password's hash, for those who must compare it.
#[derive(Clone)]
pub struct Account {
    /// The user.
    pub user: User,
    /// The PHC string, if a password was ever set.
    pub password_hash: Option<String>,
}

impl Account {
    /// May the user come in?
    pub fn is_enabled(&self) -> bool {
        self.user.disabled_at.is_none()
    }
}

fn read_account(row: &QueryResult) -> Result<Account, DbErr> {
    let mut columns = Row::new(row);
    let user = read_user(&mut columns)?;
    Ok(Account {
        user,
        password_hash: columns.take()?,
    })
}

/// The account of an address, for those who prove that it is theirs.
pub async fn account_by_email(
    connection: &impl ConnectionTrait,
    email: &EmailAddress,
) -> Result<Option<Account>, DbErr> {
    Query::with(
        format!("SELECT {USER_COLUMNS}, u.password_hash FROM user_account u WHERE u.email = $1"),
        [email.as_str().into()],
    )
    .one(connection)
    .await?
    .as_ref()
    .map(read_account)
    .transpose()
}

/// A user's own account.
pub async fn account_by_id(
    connection: &impl ConnectionTrait,
    user: UserId,
) -> Result<Option<Account>, DbErr> {
    Query::with(
        format!("SELECT {USER_COLUMNS}, u.password_hash FROM user_account u WHERE u.id = $1"),
        [user.into()],
    )
    .one(connection)
    .await?
    .as_ref()
    .map(read_account)
    .transpose()
}

/// An account, locked until the transaction ends.
pub async fn lock_account(
    db: &Database,
    connection: &impl ConnectionTrait,
    user: UserId,
) -> Result<Option<Account>, DbErr> {
    Query::with(
        format!(
            "SELECT {USER_COLUMNS}, u.password_hash FROM user_account u WHERE u.id = $1{}",
            db.for_update()
        ),
        [user.into()],
    )
    .one(connection)
    .await?
    .as_ref()
    .map(read_account)
    .transpose()
}

/// A user whom the actor may see: oneself, fellow members, or anyone for those who read the directory.
pub async fn user_visible_to(
    connection: &impl ConnectionTrait,
    actor: &Actor,
    user: UserId,
) -> Result<Option<User>, DbErr> {
    let mut query = Query::with(
        format!("SELECT {USER_COLUMNS} FROM user_account u WHERE u.id = $1"),
        [user.into()],
    );
    push_user_sight(&mut query, actor);
    query
        .one(connection)
        .await?
        .as_ref()
        .map(|row| read_user(&mut Row::new(row)))
        .transpose()
}

/// Those of some users whom the actor may see, in no order.
pub async fn users_visible_to(
    database: &Database,
    actor: &Actor,
    users: &[UserId],
) -> Result<Vec<User>, DbErr> {
    let mut query = Query::new(format!(
        "SELECT {USER_COLUMNS} FROM user_account u WHERE u.id"
    ));
    query.bind_ids(database.backend(), users.iter().map(|user| user.0));
    push_user_sight(&mut query, actor);
    let rows = query.all(database.read()).await?;
    rows.iter()
        .map(|row| read_user(&mut Row::new(row)))
        .collect()
}

fn push_user_sight(query: &mut Query, actor: &Actor) {
    if !sees_directory(actor) {
        query.push(" AND (u.id = ");
        query.bind(actor.user());
        query.push(" OR EXISTS (SELECT 1 FROM membership m WHERE m.user_id = u.id AND ");
        push_own_organisations(query, actor, "m.organisation_id");
        query.push("))");
    }
}

/// Sees the users and organisations beyond one's own.
pub(super) fn sees_directory(actor: &Actor) -> bool {
    actor.identity == Identity::System || actor.may(Permission::DirectoryRead)
}

/// Restricts a column to the organisations that the actor belongs to.
pub(super) fn push_own_organisations(query: &mut Query, actor: &Actor, column: &str) {
    if actor.grants.is_empty() {
        query.push("1 = 0");
        return;
    }
    query.push(column).push(" IN (");
    query.bind_all(actor.grants.iter().map(|grant| grant.organisation));
    query.push(")");
}

/// An organisation that the actor may see with its members: one's own, or any for those who read the
/// directory.
pub async fn organisation_visible_to(
    connection: &impl ConnectionTrait,
    actor: &Actor,
    organisation: OrganisationId,
) -> Result<Option<Organisation>, DbErr> {
    let mut query = Query::with(
        format!("SELECT {ORGANISATION_COLUMNS} FROM organisation o WHERE o.id = $1"),
        [organisation.into()],
    );
    push_organisation_sight(&mut query, actor);
    one_organisation(connection, query).await
}

/// Those of some organisations that the actor may see with their members, in no order.
pub async fn organisations_visible_to(
    database: &Database,
    actor: &Actor,
    organisations: &[OrganisationId],
) -> Result<Vec<Organisation>, DbErr> {
    let mut query = Query::new(format!(
        "SELECT {ORGANISATION_COLUMNS} FROM organisation o WHERE o.id"
    ));
    query.bind_ids(database.backend(), organisations.iter().map(|one| one.0));
    push_organisation_sight(&mut query, actor);
    let rows = query.all(database.read()).await?;
    rows.iter()
        .map(|row| read_organisation(&mut Row::new(row)))
        .collect()
}

fn push_organisation_sight(query: &mut Query, actor: &Actor) {
    if !sees_directory(actor) {
        query.push(" AND (");
        push_own_organisations(query, actor, "o.id");
        // The head office sees the parts of its chain.
        query.push(" OR ");
        push_own_organisations(query, actor, "o.parent_id");
        query.push(")");
    }
}

/// The organisation of a facility's own account, for those who hold its letter.
pub async fn organisation_of_facility(
    connection: &impl ConnectionTrait,
    facility: FacilityId,
) -> Result<Option<Organisation>, DbErr> {
    let query = Query::with(
        format!("SELECT {ORGANISATION_COLUMNS} FROM organisation o WHERE o.facility_id = $1"),
        [facility.into()],
    );
    one_organisation(connection, query).await
}

/// An organisation by its row, for use cases whose right to it is proven by a secret or by the shell.
pub async fn organisation_by_id(
    connection: &impl ConnectionTrait,
    organisation: OrganisationId,
) -> Result<Option<Organisation>, DbErr> {
    let query = Query::with(
        format!("SELECT {ORGANISATION_COLUMNS} FROM organisation o WHERE o.id = $1"),
        [organisation.into()],
    );
    one_organisation(connection, query).await
}

/// The oldest organisation of this kind and name, for the operator.
pub async fn organisation_by_name(
    connection: &impl ConnectionTrait,
    kind: OrganisationKind,
    name: &str,
) -> Result<Option<Organisation>, DbErr> {
    let query = Query::with(
        format!(
            "SELECT {ORGANISATION_COLUMNS} FROM organisation o
             WHERE o.kind = $1 AND o.name = $2 ORDER BY o.id LIMIT 1"
        ),
        [kind.code().into(), name.into()],
    );
    one_organisation(connection, query).await
}

async fn one_organisation(
    connection: &impl ConnectionTrait,
    query: Query,
) -> Result<Option<Organisation>, DbErr> {
    query
        .one(connection)
        .await?
        .as_ref()
        .map(|row| read_organisation(&mut Row::new(row)))
        .transpose()
}

/// Adds a user. A violated unique constraint means that the address has an account already.
pub async fn insert_user(
    connection: &impl ConnectionTrait,
    new: &UserNew<'_>,
    now: DateTime<Utc>,
) -> Result<User, DbErr> {
    let id = Query::with(
        "INSERT INTO user_account (email, display_name, password_hash, language, created_at)
         VALUES ($1, $2, $3, $4, $5) RETURNING id",
        [
            new.email.as_str().into(),
            new.name.into(),
            new.password_hash.into(),
            new.language.code().into(),
            now.into(),
        ],
    )
    .scalar(connection)
    .await?;
    Ok(User {
        id,
        email: new.email.as_str().to_owned(),
        name: new.name.to_owned(),
        language: new.language,
        disabled_at: None,
        created_at: now,
    })
}

/// Adds an organisation.
pub async fn insert_organisation(
    connection: &impl ConnectionTrait,
    new: &OrganisationNew<'_>,
    now: DateTime<Utc>,
) -> Result<Organisation, DbErr> {
    let id = Query::with(
        "INSERT INTO organisation (kind, name, name_kana, bureau, facility_id, parent_id, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING id",
        [
            new.kind.code().into(),
            new.name.into(),
            new.name_kana.into(),
            new.bureau.map(Bureau::code).into(),
            new.facility.into(),
            new.parent.into(),
            now.into(),
        ],
    )
    .scalar(connection)
    .await?;
    Ok(Organisation {
        id,
        kind: new.kind,
        name: new.name.to_owned(),
        name_kana: new.name_kana.to_owned(),
        bureau: new.bureau,
        facility: new.facility,
        parent: new.parent,
    })
}

/// How many parts a chain has.
pub async fn count_parts(
    connection: &impl ConnectionTrait,
    chain: OrganisationId,
) -> Result<i64, DbErr> {
    Query::with(
        "SELECT count(*) FROM organisation WHERE parent_id = $1",
        [chain.into()],
    )
    .scalar(connection)
    .await
}

/// Sets a password's hash.
pub async fn set_password_hash(
    connection: &impl ConnectionTrait,
    user: UserId,
    hash: &str,
) -> Result<(), DbErr> {
    Query::with(
        "UPDATE user_account SET password_hash = $1 WHERE id = $2",
        [hash.into(), user.into()],
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Replaces a hash of the same password by a dearer one, unless the password was changed meanwhile.
pub async fn upgrade_password_hash(
    connection: &impl ConnectionTrait,
    user: UserId,
    from: &str,
    to: &str,
) -> Result<(), DbErr> {
    Query::with(
        "UPDATE user_account SET password_hash = $1 WHERE id = $2 AND password_hash = $3",
        [to.into(), user.into(), from.into()],
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Sets a user's name and language.
pub async fn set_profile(
    connection: &impl ConnectionTrait,
    user: UserId,
    name: &str,
    language: Language,
) -> Result<(), DbErr> {
    Query::with(
        "UPDATE user_account SET display_name = $1, language = $2 WHERE id = $3",
        [name.into(), language.code().into(), user.into()],
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Lets a user in no more, or again.
pub async fn set_disabled(
    connection: &impl ConnectionTrait,
    user: UserId,
    disabled_at: Option<DateTime<Utc>>,
) -> Result<(), DbErr> {
    Query::with(
        "UPDATE user_account SET disabled_at = $1 WHERE id = $2",
        [disabled_at.into(), user.into()],
    )
    .execute(connection)
    .await?;
    Ok(())
}
