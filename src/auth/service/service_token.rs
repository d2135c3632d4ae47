//! Service tokens for vendors' own systems: made and revoked by an organisation's administrators,
//! limited to some of what their role may do, and over after at most 400 days.

use chrono::{DateTime, TimeDelta, Utc};

use super::{
    Audit, AuthService, Failure, finish,
    problem::{Flaws, refusals},
    record_change,
};
use crate::{
    auth::{
        Actor, OrganisationKind, Permission, Role, ServiceToken, allows,
        entity::{
            accounts,
            tokens::{self, ServiceTokenNew},
        },
        input::{Flaw, InputError, Name},
        secret::{self, SecretHash},
    },
    db::OrganisationId,
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
    /// Check only.
    pub dry_run: bool,
}

/// A service token with its secret.
#[derive(Clone)]
pub struct NewServiceToken {
    /// The token as lists show it.
    pub token: ServiceToken,
    /// `kts_…`, shown once; none on a dry run.
    pub secret: Option<String>,
}

/// A system may come in no more.
#[derive(Clone, Copy, Debug)]
pub struct ServiceTokenRevoke {
    /// Which token.
    pub token: i64,
    /// Check only.
    pub dry_run: bool,
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
        actor: &Actor,
        input: &ServiceTokenCreate,
    ) -> Result<NewServiceToken, Failure<ServiceTokenRefusal>> {
        let organisation =
            accounts::organisation_visible_to(self.db.read(), actor, input.organisation)
                .await?
                .ok_or_else(|| Failure::refused(ServiceTokenRefusal::OrganisationNotFound))?;
        if !actor.may_in(organisation.id, Permission::MembersManage) {
            return Err(Failure::refused(ServiceTokenRefusal::Forbidden));
        }
        let mut flaws = Flaws::default();
        let now = self.clock.now();
        let name = flaws.keep("name", Name::parse(&input.name));
        let parsed = checked_permissions(organisation.kind, input.role, &input.permissions);
        let permissions = flaws.keep("permissions", parsed);
        if input.expires_at <= now || input.expires_at > now + LONGEST {
            flaws.add("expiresAt", Flaw::OutOfRange);
        }
        let (Some(name), Some(permissions), true) = (name, permissions, flaws.is_empty()) else {
            return Err(flaws.refuse());
        };

        let secret = secret::service_token();
        let transaction = self.db.begin().await?;
        let new = ServiceTokenNew {
            organisation: organisation.id,
            name: name.as_str(),
            role: input.role,
            permissions: &permissions,
            hash: SecretHash::of(&secret),
            created_by: actor.user(),
            expires_at: input.expires_at,
        };
        let token = tokens::insert_token(&transaction, &new, now).await?;
        let reason = format!("service token {}", token.id);
        let audit = Audit {
            operation: "serviceTokenCreate",
            organisation: Some(organisation.id),
            reason: Some(&reason),
        };
        record_change(&transaction, actor, &audit, now).await?;
        finish(transaction, input.dry_run).await?;
        Ok(NewServiceToken {
            token,
            secret: (!input.dry_run).then_some(secret),
        })
    }

    /// Revokes a service token; it holds from the next request.
    pub async fn revoke_service_token(
        &self,
        actor: &Actor,
        input: ServiceTokenRevoke,
    ) -> Result<ServiceToken, Failure<ServiceTokenRefusal>> {
        let transaction = self.db.begin().await?;
        let now = self.clock.now();
        let token = tokens::token_managed_by(&transaction, actor, input.token)
            .await?
            .ok_or_else(|| Failure::refused(ServiceTokenRefusal::ServiceTokenNotFound))?;
        tokens::revoke_token(&transaction, token.id, now).await?;
        let reason = format!("service token {}", token.id);
        let audit = Audit {
            operation: "serviceTokenRevoke",
            organisation: Some(token.organisation),
            reason: Some(&reason),
        };
        record_change(&transaction, actor, &audit, now).await?;
        finish(transaction, input.dry_run).await?;
        Ok(ServiceToken {
            revoked_at: token.revoked_at.or(Some(now)),
            ..token
        })
    }
}

/// Some of what the role may do there, each once; but no token makes members or other tokens, so that
/// revoking a leaked one ends the matter.
fn checked_permissions(
    kind: OrganisationKind,
    role: Role,
    wanted: &[Permission],
) -> Result<Vec<Permission>, Flaw> {
    if wanted.is_empty() {
        return Err(Flaw::Missing);
    }
    let possible = |permission: &Permission| {
        *permission != Permission::MembersManage && allows(kind, role, *permission)
    };
    if !wanted.iter().all(possible) {
        return Err(Flaw::OutOfRange);
    }
    Ok(Permission::ALL
        .into_iter()
        .filter(|permission| wanted.contains(permission))
        .collect())
}
