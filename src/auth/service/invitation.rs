//! Inviting people into an organisation, taking an invitation back, and joining. An invitation is a link in a
//! mail; whoever holds it joins, either with a new account or with the account that the address has already.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::{
    Audit, AuthService, Busy, Failure, Origin, RetryAfter, SessionTokens, Written, conclude,
    in_japan,
    problem::{Flaws, refusals},
    record_change, record_write,
    recovery::is_official,
};
use crate::{
    auth::{
        Actor, Identity, Language, Organisation, OrganisationKind, Permission, Role,
        entity::{
            OpenInvitation,
            accounts::{self, Account, UserNew},
            invitations, members,
            secrets::{self, OneTimeSecret, Purpose, SecretNew},
        },
        input::{EmailAddress, Field, Flaw, InputError, Name},
        password::NewPassword,
        secret::{self, SecretHash},
    },
    change::Writer,
    db::{DbErr, OrganisationId, Transaction, UserId, is_unique_violation},
    mail::{Envelope, Template, enqueue},
};

/// An invitation is good for this long.
const INVITATION_LASTS: TimeDelta = TimeDelta::days(7);

/// Somebody is asked to join.
#[derive(Clone, Debug)]
pub struct MemberInvite {
    /// The organisation to join.
    pub organisation: OrganisationId,
    /// The address that the mail goes to.
    pub email: String,
    /// The role in the organisation.
    pub role: Role,
    /// The language of the mail; the actor's if not given.
    pub language: Option<Language>,
}

/// An invitation that was sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invitation {
    /// Its row.
    pub id: i64,
    /// The organisation to join.
    pub organisation: OrganisationId,
    /// The address that the mail goes to.
    pub email: String,
    /// The role in the organisation.
    pub role: Role,
    /// When it is over.
    pub expires_at: DateTime<Utc>,
}

/// How an invitation is accepted.
#[derive(Clone)]
pub enum Acceptance {
    /// By an account that is made now.
    NewAccount {
        /// The person's name.
        name: String,
        /// The password to be.
        password: String,
        /// The language of mails and messages.
        language: Option<Language>,
    },
    /// By the account that the address has: the actor is its owner, logged in.
    Actor,
    /// By the account that the address has, shown by its password.
    Password(String),
}

/// The holder of an invitation joins.
#[derive(Clone)]
pub struct InvitationAccept {
    /// The secret of the link.
    pub secret: String,
    /// With which account.
    pub by: Acceptance,
}

/// Somebody joined.
#[derive(Clone)]
pub struct AcceptedInvitation {
    /// The new member.
    pub user: UserId,
    /// The organisation.
    pub organisation: OrganisationId,
    /// A login for an account that was made now.
    pub session: Option<SessionTokens>,
}

refusals! {
    /// Why nobody was invited, or nobody joined.
    InviteRefusal {
        Input(input: InputError),
        PersonNeeded,
        OrganisationNotFound,
        Forbidden,
        AlreadyMember,
        SecretInvalid,
        AccountExists,
        InvalidCredentials,
        Throttled(retry: RetryAfter),
        Busy(busy: Busy),
    }
}

refusals! {
    /// Why an invitation was not taken back.
    RevokeRefusal { InvitationNotFound }
}

impl From<super::LogInRefusal> for InviteRefusal {
    fn from(refusal: super::LogInRefusal) -> Self {
        match refusal {
            super::LogInRefusal::InvalidCredentials => Self::InvalidCredentials,
            super::LogInRefusal::Throttled(retry) => Self::Throttled(retry),
            super::LogInRefusal::Busy(busy) => Self::Busy(busy),
        }
    }
}

impl AuthService {
    /// Mails an invitation. The administrators of an organisation invite whom they like; who creates
    /// organisations invites the first administrator of one that has none. It takes a person, by whose name
    /// the invited know that it is meant for them.
    pub async fn invite_member(
        &self,
        writer: &Writer<'_>,
        input: &MemberInvite,
    ) -> Result<Invitation, Failure<InviteRefusal>> {
        let transaction = self.db.begin().await?;
        let outcome = self.try_invite(&transaction, writer, input).await;
        conclude(writer, transaction, outcome).await
    }

    async fn try_invite(
        &self,
        transaction: &Transaction,
        writer: &Writer<'_>,
        input: &MemberInvite,
    ) -> Result<Invitation, Failure<InviteRefusal>> {
        let actor = writer.actor;
        let inviter = actor
            .user()
            .ok_or_else(|| Failure::refused(InviteRefusal::PersonNeeded))?;
        let organisation =
            accounts::organisation_visible_to(transaction, actor, input.organisation)
                .await?
                .ok_or_else(|| Failure::refused(InviteRefusal::OrganisationNotFound))?;
        check_may_invite(transaction, actor, &organisation, input.role).await?;
        let mut flaws = Flaws::default();
        let email = flaws.keep(Field::Email, EmailAddress::parse(&input.email));
        if !input.role.is_in(organisation.kind) {
            flaws.add(Field::Role, Flaw::OutOfRange);
        }
        let (Some(email), true) = (email, flaws.is_empty()) else {
            return Err(flaws.refuse());
        };

        let secret = secret::link();
        let now = self.clock.now();
        let expires_at = now + INVITATION_LASTS;
        if members::is_member_by_email(transaction, organisation.id, email.as_str()).await? {
            return Err(Failure::refused(InviteRefusal::AlreadyMember));
        }
        if let Some(wait) = self
            // A chain's parts count as the chain.
            .count_invitation(
                transaction,
                organisation.parent.unwrap_or(organisation.id),
                email.as_str(),
            )
            .await?
        {
            return Err(Failure::refused(wait));
        }
        secrets::expire_invitations(transaction, organisation.id, email.as_str(), now).await?;
        let new = SecretNew {
            organisation: Some(organisation.id),
            email: Some(email.as_str()),
            role: Some(input.role),
            created_by: Some(inviter),
            ..SecretNew::new(Purpose::Invitation, SecretHash::of(&secret), expires_at)
        };
        let id = secrets::insert_secret(transaction, &new, now).await?;
        let envelope = Envelope {
            recipient: email.as_str(),
            language: input.language.unwrap_or(actor.language),
            template: Template::Invitation,
            variables: serde_json::json!({
                "organisation": organisation.name,
                "inviter": name_of(transaction, inviter).await?,
                "link": self.link("invitation", &secret),
                "expires_at": in_japan(expires_at),
            }),
        };
        enqueue(transaction, &envelope, now).await?;
        let audit = Audit::of("memberInvite").in_name_of(organisation.id);
        record_write(transaction, writer, audit).await?;
        Ok(Invitation {
            id,
            organisation: organisation.id,
            email: email.as_str().to_owned(),
            role: input.role,
            expires_at,
        })
    }

    /// Takes an open invitation back; its link is over at once. Whoever sent it may, and who manages the
    /// members of its organisation.
    pub async fn revoke_invitation(
        &self,
        writer: &Writer<'_>,
        invitation: i64,
    ) -> Result<Written<i64, OpenInvitation>, Failure<RevokeRefusal>> {
        let transaction = self.db.begin().await?;
        let outcome = self.try_take_back(&transaction, writer, invitation).await;
        conclude(writer, transaction, outcome).await
    }

    async fn try_take_back(
        &self,
        transaction: &Transaction,
        writer: &Writer<'_>,
        invitation: i64,
    ) -> Result<Written<i64, OpenInvitation>, Failure<RevokeRefusal>> {
        let not_found = || Failure::refused(RevokeRefusal::InvitationNotFound);
        let now = self.clock.now();
        let ids = [invitation];
        let invitation = invitations::some_invitations_managed_by(
            &self.db,
            transaction,
            writer.actor,
            &ids,
            now,
        )
        .await?
        .pop()
        .ok_or_else(not_found)?;
        if !secrets::expire_secret(transaction, invitation.id, now).await? {
            return Err(not_found());
        }
        let audit = Audit::of("memberInvitationRevoke").in_name_of(invitation.organisation);
        record_write(transaction, writer, audit).await?;
        let revoked = OpenInvitation {
            expires_at: now,
            ..invitation
        };
        Ok(Written::new(revoked.id, revoked))
    }

    /// Joins the organisation of an invitation.
    pub async fn accept_invitation(
        &self,
        actor: &Actor,
        origin: &Origin,
        input: &InvitationAccept,
    ) -> Result<AcceptedInvitation, Failure<InviteRefusal>> {
        let invalid = || Failure::refused(InviteRefusal::SecretInvalid);
        let now = self.clock.now();
        let hash = SecretHash::of(&input.secret);
        let invitation =
            secrets::live_secret_by_hash(self.db.read(), Purpose::Invitation, hash, now)
                .await?
                .ok_or_else(invalid)?;
        let email = invitation.email.as_deref().ok_or_else(invalid)?;
        let email = EmailAddress::from_stored(email);
        match accounts::account_by_email(self.db.read(), &email).await? {
            Some(account) => {
                self.prove_owner(actor, origin, &account, &input.by).await?;
                self.join(origin, &invitation, account.user.id).await
            }
            None => {
                self.join_anew(actor, origin, &invitation, &email, &input.by)
                    .await
            }
        }
    }

    /// The account that an address has joins only if its owner is there.
    async fn prove_owner(
        &self,
        actor: &Actor,
        origin: &Origin,
        account: &Account,
        by: &Acceptance,
    ) -> Result<(), Failure<InviteRefusal>> {
        match by {
            Acceptance::Actor | Acceptance::NewAccount { .. }
                if actor.identity == Identity::User(account.user.id) =>
            {
                Ok(())
            }
            Acceptance::Password(password) => {
                let email = EmailAddress::from_stored(&account.user.email);
                self.prove(&email, password, origin).await.map(|_| ())
            }
            Acceptance::Actor | Acceptance::NewAccount { .. } => {
                Err(Failure::refused(InviteRefusal::AccountExists))
            }
        }
    }

    async fn join(
        &self,
        origin: &Origin,
        invitation: &OneTimeSecret,
        user: UserId,
    ) -> Result<AcceptedInvitation, Failure<InviteRefusal>> {
        let transaction = self.db.begin().await?;
        let organisation = self
            .take_place(&transaction, origin, invitation, user)
            .await?;
        transaction.commit().await?;
        Ok(AcceptedInvitation {
            user,
            organisation,
            session: None,
        })
    }

    /// Makes the account, joins and logs in.
    async fn join_anew(
        &self,
        actor: &Actor,
        origin: &Origin,
        invitation: &OneTimeSecret,
        email: &EmailAddress,
        by: &Acceptance,
    ) -> Result<AcceptedInvitation, Failure<InviteRefusal>> {
        let (name, password, language) = match by {
            Acceptance::NewAccount {
                name,
                password,
                language,
            } => (name.as_str(), password.as_str(), *language),
            Acceptance::Password(password) => ("", password.as_str(), None),
            Acceptance::Actor => ("", "", None),
        };
        let mut flaws = Flaws::default();
        let name = flaws.keep(Field::Name, Name::parse(name));
        let password = flaws.keep(Field::Password, NewPassword::parse(password, email));
        let (Some(name), Some(password)) = (name, password) else {
            return Err(flaws.refuse());
        };
        let hash = self.passwords.hash(&password).await?;

        let transaction = self.db.begin().await?;
        let now = self.clock.now();
        let new = UserNew {
            email,
            name: name.as_str(),
            password_hash: &hash,
            language: language.unwrap_or(actor.language),
        };
        let user = match accounts::insert_user(&transaction, &new, now).await {
            Ok(user) => user.id,
            Err(error) if is_unique_violation(&error) => {
                return Err(Failure::refused(InviteRefusal::AccountExists));
            }
            Err(error) => return Err(error.into()),
        };
        let organisation = self
            .take_place(&transaction, origin, invitation, user)
            .await?;
        let session = self.begin_session(&transaction, user, now).await?;
        transaction.commit().await?;
        Ok(AcceptedInvitation {
            user,
            organisation,
            session: Some(session),
        })
    }

    /// Uses the invitation up and adds the membership that it promised.
    async fn take_place(
        &self,
        transaction: &Transaction,
        origin: &Origin,
        invitation: &OneTimeSecret,
        user: UserId,
    ) -> Result<OrganisationId, Failure<InviteRefusal>> {
        let invalid = || Failure::refused(InviteRefusal::SecretInvalid);
        let organisation = invitation.organisation.ok_or_else(invalid)?;
        let role = invitation.role.ok_or_else(invalid)?;
        let now = self.clock.now();
        if !secrets::use_secret(transaction, invitation.id, now).await? {
            return Err(invalid());
        }
        match members::insert_membership(transaction, organisation, user, role, now).await {
            Ok(()) => {}
            Err(error) if is_unique_violation(&error) => {
                return Err(Failure::refused(InviteRefusal::AlreadyMember));
            }
            Err(error) => return Err(error.into()),
        }
        let audit = Audit::of("invitationAccept").in_name_of(organisation);
        let author = super::as_user(user, Language::default());
        record_change(transaction, &author, origin, audit, now).await?;
        Ok(organisation)
    }
}

async fn check_may_invite(
    transaction: &Transaction,
    actor: &Actor,
    organisation: &Organisation,
    role: Role,
) -> Result<(), Failure<InviteRefusal>> {
    // The head office invites into the parts of its chain.
    let managers = [Some(organisation.id), organisation.parent];
    let manages = |id: &OrganisationId| actor.may_in(*id, Permission::MembersManage);
    if managers.iter().flatten().any(manages) {
        return Ok(());
    }
    let is_first = role == Role::Admin
        && members::other_admins(transaction, organisation.id, None).await? == 0;
    if is_first && may_create(actor, organisation.kind) {
        return Ok(());
    }
    Err(Failure::refused(InviteRefusal::Forbidden))
}

async fn name_of(transaction: &Transaction, user: UserId) -> Result<String, DbErr> {
    let account = accounts::account_by_id(transaction, user).await?;
    Ok(account.map_or_else(|| "Kaitsu".to_owned(), |account| account.user.name))
}

/// May the actor create organisations of this kind? Those that see the whole nation are the ministry's
/// to create. A facility's own account comes from its letter only.
pub(super) fn may_create(actor: &Actor, kind: OrganisationKind) -> bool {
    if actor.identity == Identity::System {
        return true;
    }
    let by_ministry = actor.grants.iter().any(|grant| {
        grant.kind == OrganisationKind::Ministry
            && actor.may_in(grant.organisation, Permission::OrganisationWrite)
    });
    by_ministry || (actor.may(Permission::OrganisationWrite) && !is_official(kind))
}
