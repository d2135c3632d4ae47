//! Creating organisations. A facility's own account is not created: its letter claims it.

use super::{
    Audit, AuthService, Failure, Written, conclude,
    invitation::may_create,
    problem::{Flaws, refusals},
    record_write,
};
use crate::{
    auth::{
        Organisation, OrganisationKind, Permission,
        entity::accounts::{self, OrganisationNew},
        input::{Field, Flaw, InputError, Name},
    },
    change::Writer,
    db::{OrganisationId, Transaction},
    facility::Bureau,
};

/// A vendor, a chain … joins the rollout.
#[derive(Clone, Debug)]
pub struct OrganisationCreate {
    /// What it is.
    pub kind: OrganisationKind,
    /// Its name.
    pub name: String,
    /// Its name in kana.
    pub name_kana: String,
    /// Which bureau, if it is one.
    pub bureau: Option<Bureau>,
}

refusals! {
    /// Why an organisation was not created.
    OrganisationRefusal { Input(input: InputError), Forbidden }
}

impl AuthService {
    /// Creates an organisation, still without members.
    pub async fn create_organisation(
        &self,
        writer: &Writer<'_>,
        input: &OrganisationCreate,
    ) -> Result<Written<OrganisationId, Organisation>, Failure<OrganisationRefusal>> {
        let transaction = self.db.begin().await?;
        let outcome = self.try_create(&transaction, writer, input).await;
        conclude(writer, transaction, outcome).await
    }

    async fn try_create(
        &self,
        transaction: &Transaction,
        writer: &Writer<'_>,
        input: &OrganisationCreate,
    ) -> Result<Written<OrganisationId, Organisation>, Failure<OrganisationRefusal>> {
        let actor = writer.actor;
        if !may_create(actor, input.kind) {
            return Err(Failure::refused(OrganisationRefusal::Forbidden));
        }
        let mut flaws = Flaws::default();
        let name = flaws.keep(Field::Name, Name::parse(&input.name));
        let name_kana = flaws.keep(Field::NameKana, Name::parse(&input.name_kana));
        check_kind(&mut flaws, input.kind, input.bureau);
        let (Some(name), Some(name_kana), true) = (name, name_kana, flaws.is_empty()) else {
            return Err(flaws.refuse());
        };

        let new = OrganisationNew {
            kind: input.kind,
            name: name.as_str(),
            name_kana: name_kana.as_str(),
            bureau: input.bureau,
            facility: None,
        };
        let organisation =
            accounts::insert_organisation(transaction, &new, self.clock.now()).await?;
        let audit = Audit::of("organisationCreate")
            .in_name_of(actor.acting_for(Permission::OrganisationWrite))
            .about(format!("organisation {}", organisation.id));
        record_write(transaction, writer, audit).await?;
        Ok(Written::new(organisation.id, organisation))
    }
}

/// A facility's own account is claimed by its letter, and a bureau's organisation reaches that bureau's
/// prefectures: without saying which it would reach nothing.
pub(super) fn check_kind(flaws: &mut Flaws, kind: OrganisationKind, bureau: Option<Bureau>) {
    if kind == OrganisationKind::Facility {
        flaws.add(Field::Kind, Flaw::OutOfRange);
    }
    match (kind == OrganisationKind::RegionalBureau, bureau) {
        (true, None) => flaws.add(Field::Bureau, Flaw::Missing),
        (false, Some(_)) => flaws.add(Field::Bureau, Flaw::OutOfRange),
        _ => {}
    }
}
