//! A facility claims its own account. Staff export one-time secrets for letters; whoever holds a letter
//! gives the facility's code and the secret, and becomes an administrator of the facility's own
//! organisation.

use std::collections::HashSet;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::{
    Audit, AuthService, Busy, Failure, Origin, RetryAfter, SessionTokens, conclude,
    problem::{Flaws, Repeated, refusals},
    record_change, record_write,
    throttle::Attempt,
};
use crate::{
    auth::{
        Actor, Language, OrganisationKind, Permission, Role,
        entity::{
            accounts::{self, OrganisationNew, UserNew},
            facilities::{self, LetterFacility},
            members,
            secrets::{self, Holder, Purpose, SecretNew},
        },
        input::{EmailAddress, Field, Flaw, InputError, Name},
        password::NewPassword,
        secret::{self, SecretHash},
    },
    change::Writer,
    db::{FacilityId, OrganisationId, Transaction, UserId, is_unique_violation},
};

/// A letter is good for this long.
const LETTER_LASTS: TimeDelta = TimeDelta::days(90);
/// Letters in one export.
pub const MOST_LETTERS: usize = 5_000;
/// Digits of an institution code.
const CODE_DIGITS: usize = 10;

/// Letters are wanted for these facilities.
#[derive(Clone, Debug)]
pub struct FacilityClaimSecretsExport {
    /// At most [`MOST_LETTERS`].
    pub facilities: Vec<FacilityId>,
}

/// What is printed on one letter.
#[derive(Clone, Serialize, Deserialize)]
pub struct ClaimSecret {
    /// The facility.
    pub facility: FacilityId,
    /// Its institution code.
    pub code: String,
    /// Its name.
    pub name: String,
    /// Where the letter goes.
    pub postal_code: String,
    /// Its address, prefecture first.
    pub address: String,
    /// `XXXX-XXXX-XXXX`, shown once; none on a dry run or for a repeated request.
    #[serde(skip)]
    pub secret: Option<String>,
    /// When it is over.
    pub expires_at: DateTime<Utc>,
}

/// The holder of a letter claims the facility's account.
#[derive(Clone)]
pub struct FacilityAccountClaim {
    /// The institution code, present or past.
    pub code: String,
    /// The secret, however it was typed.
    pub secret: String,
    /// The address of the account: a new one, or one that exists.
    pub email: String,
    /// The password to be, or the one that the account has.
    pub password: String,
    /// The person's name, for a new account.
    pub name: String,
    /// The language of mails and messages.
    pub language: Option<Language>,
}

/// A facility has its account.
#[derive(Clone)]
pub struct ClaimedAccount {
    /// The administrator.
    pub user: UserId,
    /// The facility's own organisation.
    pub organisation: OrganisationId,
    /// The administrator's login.
    pub session: SessionTokens,
}

refusals! {
    /// Why no letters were made.
    ExportRefusal {
        Input(input: InputError),
        FacilityNotFound(position: usize),
        FacilityRepeated(repeated: Repeated),
        Forbidden,
    }
}
refusals! {
    /// Why the account was not claimed.
    ClaimRefusal {
        Input(input: InputError),
        SecretInvalid,
        AccountExists,
        AlreadyMember,
        Throttled(retry: RetryAfter),
        Busy(busy: Busy),
    }
}

/// With the letter in hand one may learn that the address has an account with another password.
impl From<super::LogInRefusal> for ClaimRefusal {
    fn from(refusal: super::LogInRefusal) -> Self {
        match refusal {
            super::LogInRefusal::InvalidCredentials => Self::AccountExists,
            super::LogInRefusal::Throttled(retry) => Self::Throttled(retry),
            super::LogInRefusal::Busy(busy) => Self::Busy(busy),
        }
    }
}

impl AuthService {
    /// Makes secrets for letters, in the order of the input. A new one replaces the facility's old one.
    pub async fn export_claim_secrets(
        &self,
        writer: &Writer<'_>,
        input: &FacilityClaimSecretsExport,
    ) -> Result<Vec<ClaimSecret>, Failure<ExportRefusal>> {
        let transaction = self.db.begin().await?;
        let outcome = self.try_export(&transaction, writer, input).await;
        conclude(writer, transaction, outcome).await
    }

    async fn try_export(
        &self,
        transaction: &Transaction,
        writer: &Writer<'_>,
        input: &FacilityClaimSecretsExport,
    ) -> Result<Vec<ClaimSecret>, Failure<ExportRefusal>> {
        let actor = writer.actor;
        if !actor.may(Permission::AccountsHelp) {
            return Err(Failure::refused(ExportRefusal::Forbidden));
        }
        let many = input.facilities.len();
        if many == 0 || many > MOST_LETTERS {
            let flaw = Flaw::OutOfRange.at(Field::FacilityIds);
            return Err(Failure::refused(flaw));
        }
        let now = self.clock.now();
        let expires_at = now + LETTER_LASTS;
        let known =
            facilities::facilities_for_letters(&self.db, transaction, &input.facilities).await?;
        let facilities = in_input_order(&input.facilities, &known)?;
        let letters: Vec<ClaimSecret> = facilities
            .iter()
            .map(|facility| ClaimSecret {
                facility: facility.id,
                code: facility.code.clone(),
                name: facility.name.clone(),
                postal_code: facility.postal_code.clone(),
                address: facility.address.clone(),
                secret: Some(secret::claim_secret()),
                expires_at,
            })
            .collect();
        let new: Vec<SecretNew<'_>> = letters
            .iter()
            .filter_map(|letter| letter.secret.as_deref().map(|secret| (letter, secret)))
            .map(|(letter, secret)| SecretNew {
                facility: Some(letter.facility),
                created_by: actor.user(),
                ..SecretNew::new(
                    Purpose::FacilityClaim,
                    SecretHash::of(&secret::fold_code(secret)),
                    expires_at,
                )
            })
            .collect();
        secrets::insert_secrets(transaction, &new, now).await?;
        let audit = Audit::of("facilityClaimSecretsExport")
            .in_name_of(actor.acting_for(Permission::AccountsHelp))
            .about(format!("{many} letters"));
        record_write(transaction, writer, audit).await?;
        Ok(if writer.dry_run {
            letters.into_iter().map(without_secret).collect()
        } else {
            letters
        })
    }

    /// Claims a facility's account by its letter, and logs in.
    pub async fn claim_facility_account(
        &self,
        actor: &Actor,
        origin: &Origin,
        input: &FacilityAccountClaim,
    ) -> Result<ClaimedAccount, Failure<ClaimRefusal>> {
        let invalid = || Failure::refused(ClaimRefusal::SecretInvalid);
        let mut flaws = Flaws::default();
        let code = flaws.keep(Field::Code, folded_code(&input.code));
        let email = flaws.keep(Field::Email, EmailAddress::parse(&input.email));
        let name = flaws.keep(Field::Name, Name::parse(&input.name));
        let (Some(code), Some(email), Some(name)) = (code, email, name) else {
            return Err(flaws.refuse());
        };
        self.count_attempt(Attempt::Claim, &code, origin.address)
            .await?;
        let facility = facilities::facility_by_code(self.db.read(), &code)
            .await?
            .ok_or_else(invalid)?;
        let letter = self
            .guess(Holder::Facility(facility.id), &input.secret)
            .await?
            .ok_or_else(invalid)?;
        let owner = match accounts::account_by_email(self.db.read(), &email).await? {
            Some(_) => {
                let account: Result<_, Failure<ClaimRefusal>> =
                    self.prove(&email, &input.password, origin).await;
                Owner::Existing(account?.user.id)
            }
            None => self.new_owner(actor, input, email.clone(), name).await?,
        };

        let transaction = self.db.begin().await?;
        let now = self.clock.now();
        if !secrets::use_secret(&transaction, letter.id, now).await? {
            return Err(invalid());
        }
        let user = insert_owner(&transaction, owner, now).await?;
        let organisation = own_organisation(&transaction, &facility, now).await?;
        match members::insert_membership(&transaction, organisation, user, Role::Admin, now).await {
            Ok(()) => {}
            Err(error) if is_unique_violation(&error) => {
                return Err(Failure::refused(ClaimRefusal::AlreadyMember));
            }
            Err(error) => return Err(error.into()),
        }
        self.forgive_attempt(&transaction, Attempt::Claim, &code, origin.address)
            .await?;
        let session = self.begin_session(&transaction, user, now).await?;
        let audit = Audit::of("facilityAccountClaim").in_name_of(organisation);
        let author = super::as_user(user, actor.language);
        record_change(&transaction, &author, origin, audit, now).await?;
        transaction.commit().await?;
        Ok(ClaimedAccount {
            user,
            organisation,
            session,
        })
    }

    async fn new_owner(
        &self,
        actor: &Actor,
        input: &FacilityAccountClaim,
        email: EmailAddress,
        name: Name,
    ) -> Result<Owner, Failure<ClaimRefusal>> {
        let mut flaws = Flaws::default();
        let parsed = NewPassword::parse(&input.password, &email);
        let Some(password) = flaws.keep(Field::Password, parsed) else {
            return Err(flaws.refuse());
        };
        Ok(Owner::New {
            email,
            name,
            password_hash: self.passwords.hash(&password).await?,
            language: input.language.unwrap_or(actor.language),
        })
    }
}

/// Who will administer the facility's account.
enum Owner {
    Existing(UserId),
    New {
        email: EmailAddress,
        name: Name,
        password_hash: String,
        language: Language,
    },
}

async fn insert_owner(
    transaction: &Transaction,
    owner: Owner,
    now: DateTime<Utc>,
) -> Result<UserId, Failure<ClaimRefusal>> {
    let (email, name, password_hash, language) = match owner {
        Owner::Existing(user) => return Ok(user),
        Owner::New {
            email,
            name,
            password_hash,
            language,
        } => (email, name, password_hash, language),
    };
    let new = UserNew {
        email: &email,
        name: name.as_str(),
        password_hash: &password_hash,
        language,
    };
    match accounts::insert_user(transaction, &new, now).await {
        Ok(user) => Ok(user.id),
        Err(error) if is_unique_violation(&error) => {
            Err(Failure::refused(ClaimRefusal::AccountExists))
        }
        Err(error) => Err(error.into()),
    }
}

/// The facility's organisation; the first claim makes it.
async fn own_organisation(
    transaction: &Transaction,
    facility: &LetterFacility,
    now: DateTime<Utc>,
) -> Result<OrganisationId, Failure<ClaimRefusal>> {
    if let Some(found) = accounts::organisation_of_facility(transaction, facility.id).await? {
        return Ok(found.id);
    }
    let new = OrganisationNew {
        kind: OrganisationKind::Facility,
        name: &facility.name,
        name_kana: &facility.name_kana,
        bureau: None,
        facility: Some(facility.id),
        parent: None,
    };
    Ok(accounts::insert_organisation(transaction, &new, now)
        .await?
        .id)
}

/// Only the shape is checked: an unknown code and a wrong secret get one answer.
fn folded_code(typed: &str) -> Result<String, Flaw> {
    let folded = secret::fold_code(typed);
    let is_code = folded.len() == CODE_DIGITS && folded.bytes().all(|byte| byte.is_ascii_digit());
    is_code.then_some(folded).ok_or(Flaw::InstitutionCode)
}

/// A facility that is wanted twice is refused: of its two letters one would be dead.
fn in_input_order<'a>(
    wanted: &[FacilityId],
    known: &'a [LetterFacility],
) -> Result<Vec<&'a LetterFacility>, Failure<ExportRefusal>> {
    let mut found = Vec::with_capacity(wanted.len());
    let mut wrong = Vec::new();
    let mut seen = HashSet::with_capacity(wanted.len());
    for (position, id) in wanted.iter().enumerate() {
        match known.binary_search_by_key(id, |facility| facility.id) {
            _ if !seen.insert(id) => wrong.push(Repeated { position }.into()),
            Ok(at) => found.extend(known.get(at)),
            Err(_) => wrong.push(ExportRefusal::FacilityNotFound(position)),
        }
    }
    if wrong.is_empty() {
        Ok(found)
    } else {
        Err(Failure::Refused(wrong))
    }
}

fn without_secret(letter: ClaimSecret) -> ClaimSecret {
    ClaimSecret {
        secret: None,
        ..letter
    }
}
