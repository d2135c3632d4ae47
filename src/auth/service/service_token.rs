//! Service tokens for vendors' own systems: made and revoked by an organisation's administrators,
//! limited to some of what their role may do, and over after at most 400 days.

use chrono::{DateTime, TimeDelta, Utc};

use super::{
    Audit, AuthService, Failure, Written, conclude,
    problem::{Flaws, refusals},
    record_write,
};
use crate::{
    auth::{
        OrganisationKind, Permission, Role, ServiceToken, allows,
        entity::{
            accounts,
            tokens::{self, ServiceTokenNew},
        },
        input::{Field, Flaw, InputError, Name},
        secret::{self, SecretHash},
    },
    change::Writer,
    db::{OrganisationId, Transaction},
};

/// A little over a year, so that a yearly renewal has time.
const LONGEST: TimeDelta = TimeDelta::days(400);

/// A system is to act for an organisation.
#[derive(Clone, Debug)]
pub struct ServiceTokenCreate {
    /// In whose name it acts.
    pub organisation: OrganisationId,
    /// What it is for.
    pub name: String,
    /// The role it has there.
    pub role: Role,
    /// What it is limited to.
    pub permissions: Vec<Permission>,
    /// When it is over, at most 400 days from now.
    pub expires_at: DateTime<Utc>,
}

/// A service token with its secret.
#[derive(Clone)]
pub struct NewServiceToken {
    /// The token as lists show it.
    pub token: ServiceToken,
    /// `kts_…`, shown once; none on a dry run or for a repeated request.
    pub secret: Option<String>,
}

refusals! {
    /// Why no service token was made or revoked.
    ServiceTokenRefusal {
        Input(input: InputError),
        OrganisationNotFound,
        ServiceTokenNotFound,
        Forbidden,
    }
}

impl AuthService {
    /// Makes a service token; its secret is shown once and stored hashed.
    pub async fn create_service_token(
        &self,
        writer: &Writer<'_>,
        input: &ServiceTokenCreate,
    ) -> Result<Written<i64, NewServiceToken>, Failure<ServiceTokenRefusal>> {
        let transaction = self.db.begin().await?;
        let outcome = self.try_make(&transaction, writer, input).await;
        conclude(writer, transaction, outcome).await
    }

    async fn try_make(
        &self,
        transaction: &Transaction,
        writer: &Writer<'_>,
        input: &ServiceTokenCreate,
    ) -> Result<Written<i64, NewServiceToken>, Failure<ServiceTokenRefusal>> {
        let actor = writer.actor;
        let organisation =
            accounts::organisation_visible_to(transaction, actor, input.organisation)
                .await?
                .ok_or_else(|| Failure::refused(ServiceTokenRefusal::OrganisationNotFound))?;
        if !actor.may_in(organisation.id, Permission::MembersManage) {
            return Err(Failure::refused(ServiceTokenRefusal::Forbidden));
        }
        let mut flaws = Flaws::default();
        let now = self.clock.now();
        let name = flaws.keep(Field::Name, Name::parse(&input.name));
        let parsed = checked_permissions(organisation.kind, input.role, &input.permissions);
        let permissions = flaws.keep(Field::Permissions, parsed);
        if !input.role.is_in(organisation.kind) {
            flaws.add(Field::Role, Flaw::OutOfRange);
        }
        if input.expires_at <= now || input.expires_at > now + LONGEST {
            flaws.add(Field::ExpiresAt, Flaw::OutOfRange);
        }
        let (Some(name), Some(permissions), true) = (name, permissions, flaws.is_empty()) else {
            return Err(flaws.refuse());
        };

        let secret = secret::service_token();
        let new = ServiceTokenNew {
            organisation: organisation.id,
            name: name.as_str(),
            role: input.role,
            permissions: &permissions,
            hash: SecretHash::of(&secret),
            created_by: actor.user(),
            expires_at: input.expires_at,
        };
        let token = tokens::insert_token(transaction, &new, now).await?;
        let audit = Audit::of("serviceTokenCreate")
            .in_name_of(organisation.id)
            .about(format!("service token {}", token.id));
        record_write(transaction, writer, audit).await?;
        let secret = (!writer.dry_run).then_some(secret);
        Ok(Written::new(token.id, NewServiceToken { token, secret }))
    }

    /// Revokes a service token; it holds from the next request.
    pub async fn revoke_service_token(
        &self,
        writer: &Writer<'_>,
        token: i64,
    ) -> Result<Written<i64, ServiceToken>, Failure<ServiceTokenRefusal>> {
        let transaction = self.db.begin().await?;
        let outcome = self.try_revoke(&transaction, writer, token).await;
        conclude(writer, transaction, outcome).await
    }

    async fn try_revoke(
        &self,
        transaction: &Transaction,
        writer: &Writer<'_>,
        token: i64,
    ) -> Result<Written<i64, ServiceToken>, Failure<ServiceTokenRefusal>> {
        let now = self.clock.now();
        let token = tokens::token_managed_by(transaction, writer.actor, token)
            .await?
            .ok_or_else(|| Failure::refused(ServiceTokenRefusal::ServiceTokenNotFound))?;
        tokens::revoke_token(transaction, token.id, now).await?;
        let audit = Audit::of("serviceTokenRevoke")
            .in_name_of(token.organisation)
            .about(format!("service token {}", token.id));
        record_write(transaction, writer, audit).await?;
        let revoked = ServiceToken {
            revoked_at: token.revoked_at.or(Some(now)),
            ..token
        };
        Ok(Written::new(revoked.id, revoked))
    }
}

/// Some of what the role may do there, each once; but nothing that needs a person, so that revoking a
/// leaked token ends the matter.
fn checked_permissions(
    kind: OrganisationKind,
    role: Role,
    wanted: &[Permission],
) -> Result<Vec<Permission>, Flaw> {
    if wanted.is_empty() {
        return Err(Flaw::Missing);
    }
    let possible =
        |permission: &Permission| !permission.needs_a_person() && allows(kind, role, *permission);
    if !wanted.iter().all(possible) {
        return Err(Flaw::OutOfRange);
    }
    Ok(Permission::ALL
        .into_iter()
        .filter(|permission| wanted.contains(permission))
        .collect())
}
