//! Creating organisations. A facility's own account is not created: its letter claims it.

use super::{
    Audit, AuthService, Failure, finish,
    invitation::may_create,
    problem::{Flaws, refusals},
    record_change,
};
use crate::{
    auth::{
        Actor, Organisation, OrganisationKind, Permission,
        entity::accounts::{self, OrganisationNew},
        input::{Flaw, InputError, Name},
    },
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
    /// Check only.
    pub dry_run: bool,
}

refusals! {
    /// Why an organisation was not created.
    OrganisationRefusal { Input(input: InputError), Forbidden }
}

impl AuthService {
    /// Creates an organisation, still without members.
    pub async fn create_organisation(
        &self,
        actor: &Actor,
        input: &OrganisationCreate,
    ) -> Result<Organisation, Failure<OrganisationRefusal>> {
        if !may_create(actor, input.kind) {
            return Err(Failure::refused(OrganisationRefusal::Forbidden));
        }
        let mut flaws = Flaws::default();
        let name = flaws.keep("name", Name::parse(&input.name));
        let name_kana = flaws.keep("nameKana", Name::parse(&input.name_kana));
        if input.kind == OrganisationKind::Facility {
            flaws.add("kind", Flaw::OutOfRange);
        }
        match (input.kind == OrganisationKind::RegionalBureau, input.bureau) {
            (true, None) => flaws.add("bureau", Flaw::Missing),
            (false, Some(_)) => flaws.add("bureau", Flaw::OutOfRange),
            _ => {}
        }
        let (Some(name), Some(name_kana), true) = (name, name_kana, flaws.is_empty()) else {
            return Err(flaws.refuse());
        };

        let transaction = self.db.begin().await?;
        let now = self.clock.now();
        let new = OrganisationNew {
            kind: input.kind,
            name: name.as_str(),
            name_kana: name_kana.as_str(),
            bureau: input.bureau,
            facility: None,
        };
        let organisation = accounts::insert_organisation(&transaction, &new, now).await?;
        let reason = format!("organisation {}", organisation.id);
        let audit = Audit {
            operation: "organisationCreate",
            organisation: actor.acting_for(Permission::OrganisationWrite),
            reason: Some(&reason),
        };
        record_change(&transaction, actor, &audit, now).await?;
        finish(transaction, input.dry_run).await?;
        Ok(organisation)
    }
}
