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

/// Most corporations and areas of a chain.
const MOST_PARTS: i64 = 300;

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
    /// The chain that it is a part of.
    pub parent: Option<OrganisationId>,
}

refusals! {
    /// Why an organisation was not created.
    OrganisationRefusal { Input(input: InputError), Forbidden }
}

impl AuthService {
    /// Creates an organisation, still without members. The administrators of a chain create its parts.
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
        let parent = match input.parent {
            Some(parent) => accounts::organisation_visible_to(transaction, actor, parent).await?,
            None => None,
        };
        let chain = parent.filter(|parent| parent.kind == OrganisationKind::Chain);
        let administers = chain.as_ref().is_some_and(|chain| {
            input.kind.is_part_of_chain() && actor.may_in(chain.id, Permission::MembersManage)
        });
        if !administers && !may_create(actor, input.kind) {
            return Err(Failure::refused(OrganisationRefusal::Forbidden));
        }
        let mut flaws = Flaws::default();
        let name = flaws.keep(Field::Name, Name::parse(&input.name));
        let name_kana = flaws.keep(Field::NameKana, Name::parse(&input.name_kana));
        check_kind(&mut flaws, input.kind, input.bureau, chain.as_ref());
        if input.parent.is_some() && chain.is_none() {
            flaws.add(Field::ParentId, Flaw::OutOfRange);
        }
        if let Some(chain) = &chain
            && accounts::count_parts(transaction, chain.id).await? >= MOST_PARTS
        {
            flaws.add(Field::ParentId, Flaw::OutOfRange);
        }
        let (Some(name), Some(name_kana), true) = (name, name_kana, flaws.is_empty()) else {
            return Err(flaws.refuse());
        };

        let new = OrganisationNew {
            kind: input.kind,
            name: name.as_str(),
            name_kana: name_kana.as_str(),
            bureau: input.bureau,
            facility: None,
            parent: chain.as_ref().map(|chain| chain.id),
        };
        let organisation =
            accounts::insert_organisation(transaction, &new, self.clock.now()).await?;
        let audit = Audit::of("organisationCreate")
            .in_name_of(match (&chain, administers) {
                (Some(chain), true) => Some(chain.id),
                _ => actor.acting_for(Permission::OrganisationWrite),
            })
            .about(format!("organisation {}", organisation.id));
        record_write(transaction, writer, audit).await?;
        Ok(Written::new(organisation.id, organisation))
    }
}

/// A facility's own account is claimed by its letter, a bureau's organisation reaches that bureau's prefectures, and a
/// part of a chain what stores of the chain are its own: without saying of which it would reach nothing.
pub(super) fn check_kind(
    flaws: &mut Flaws,
    kind: OrganisationKind,
    bureau: Option<Bureau>,
    chain: Option<&Organisation>,
) {
    if kind == OrganisationKind::Facility {
        flaws.add(Field::Kind, Flaw::OutOfRange);
    }
    match (kind == OrganisationKind::RegionalBureau, bureau) {
        (true, None) => flaws.add(Field::Bureau, Flaw::Missing),
        (false, Some(_)) => flaws.add(Field::Bureau, Flaw::OutOfRange),
        _ => {}
    }
    match (kind.is_part_of_chain(), chain) {
        (true, None) => flaws.add(Field::ParentId, Flaw::Missing),
        (false, Some(_)) => flaws.add(Field::ParentId, Flaw::OutOfRange),
        _ => {}
    }
}
