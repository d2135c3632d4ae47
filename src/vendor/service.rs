//! Keeping what an organisation tells in the directory.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use super::{
    ContactPoint, Profile, ProfilePatch, Slip, Wrong,
    entity::{self, lock},
};
use crate::{
    auth::{
        Actor, Identity, OrganisationKind, Permission,
        input::{EmailAddress, Flaw, checked_text, is_control},
    },
    change::{self, WriteError, Writer},
    db::OrganisationId,
    facility::text::fold,
};

/// Longest introduction, in characters.
pub const MOST_INTRODUCTION: usize = 2_000;
/// Longest name of a system, label or telephone number, in characters.
pub const MOST_TEXT: usize = 200;
/// Longest address of a page, in characters.
pub const MOST_URL: usize = 500;
/// Most systems of one organisation.
pub const MOST_SYSTEMS: usize = 50;
/// Most contact points of one organisation.
pub const MOST_CONTACTS: usize = 10;

/// What became of an update.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// Whose profile it is; none if there is no such organisation.
    pub vendor: Option<OrganisationId>,
    /// Why it was refused; empty if it wasn't.
    pub slips: Vec<Slip>,
}

/// Tells something else in the name of an organisation. What is told already writes nothing.
pub async fn update(
    writer: &Writer<'_>,
    vendor: OrganisationId,
    expected_version: Option<i32>,
    patch: &ProfilePatch,
) -> Result<Outcome, WriteError> {
    let transaction = writer.database.begin().await?;
    let Some((before, version)) = lock(writer.database, &transaction, vendor).await? else {
        let outcome = Outcome {
            vendor: None,
            slips: vec![Wrong::NotFound.at(["vendorId"])],
        };
        return writer.refuse(transaction, outcome).await;
    };
    let mut outcome = Outcome {
        vendor: Some(vendor),
        slips: Vec::new(),
    };
    let Some(in_name_of) = keeper(writer.actor, vendor) else {
        outcome.slips.push(Wrong::Forbidden.at(["vendorId"]));
        return writer.refuse(transaction, outcome).await;
    };
    if expected_version.is_some_and(|expected| expected != version) {
        let stale = Wrong::StaleVersion { current: version };
        outcome.slips.push(stale.at(["expectedVersion"]));
    }
    let now = patched(&before, patch, &mut outcome.slips);
    if !outcome.slips.is_empty() || writer.dry_run {
        return writer.refuse(transaction, outcome).await;
    }
    if now != before {
        let change = change::record(&transaction, writer, in_name_of, "vendorUpdate").await?;
        entity::write(&transaction, vendor, &before, &now, version + 1, change).await?;
    }
    writer.finish(transaction, outcome).await
}

/// In whose name the actor may keep an organisation's profile: the organisation's own, or that of staff who keep
/// everyone's. `None` if the actor may not; `Some(None)` for the operator.
fn keeper(actor: &Actor, vendor: OrganisationId) -> Option<Option<OrganisationId>> {
    if actor.identity == Identity::System {
        return Some(None);
    }
    let is_staff = |kind| {
        matches!(
            kind,
            OrganisationKind::Ministry | OrganisationKind::PaymentFund
        )
    };
    actor
        .grants_with(Permission::VendorWrite)
        .find(|grant| grant.organisation == vendor || is_staff(grant.kind))
        .map(|grant| Some(grant.organisation))
}

/// The profile with what is given; says what is wrong with it.
fn patched(before: &Profile, patch: &ProfilePatch, slips: &mut Vec<Slip>) -> Profile {
    let mut now = before.clone();
    if let Some(accepts_work) = patch.accepts_work {
        now.accepts_work = Some(accepts_work);
    }
    if let Some(introduction) = &patch.introduction {
        now.introduction = introduction.trim().replace("\r\n", "\n");
        let is_bad = |c: char| is_control(c) && c != '\n';
        if now.introduction.chars().count() > MOST_INTRODUCTION
            || now.introduction.chars().any(is_bad)
        {
            let wrong = Wrong::BadText {
                most: MOST_INTRODUCTION,
            };
            slips.push(wrong.at(["introduction"]));
        }
    }
    if let Some(areas) = &patch.areas {
        now.areas.clone_from(areas);
        now.areas.sort_unstable();
        now.areas.dedup();
    }
    if let Some(systems) = &patch.systems {
        now.systems = systems.iter().map(|name| name.trim().to_owned()).collect();
        check_systems(&now.systems, slips);
    }
    if let Some(contacts) = &patch.contacts {
        now.contacts = contacts.iter().map(tidied).collect();
        check_contacts(&now.contacts, slips);
    }
    now
}

fn check_systems(systems: &[String], slips: &mut Vec<Slip>) {
    if systems.len() > MOST_SYSTEMS {
        slips.push(Wrong::TooMany { most: MOST_SYSTEMS }.at(["systems"]));
        return;
    }
    let mut seen = HashSet::new();
    for (position, name) in systems.iter().enumerate() {
        let position = position.to_string();
        let at = ["systems", position.as_str()];
        match text_flaw(name, MOST_TEXT) {
            Some(wrong) => slips.push(wrong.at(at)),
            None if !seen.insert(fold(name)) => slips.push(Wrong::Repeated.at(at)),
            None => {}
        }
    }
}

/// Without spaces around it, and without what is empty.
fn tidied(contact: &ContactPoint) -> ContactPoint {
    let tidy = |text: &Option<String>| {
        let text = text.as_deref().map(str::trim);
        text.filter(|text| !text.is_empty()).map(str::to_owned)
    };
    // An address that is none stays as it was typed, and is refused.
    let folded = |email: String| match EmailAddress::parse(&email) {
        Ok(address) => address.as_str().to_owned(),
        Err(_) => email,
    };
    ContactPoint {
        label: contact.label.trim().to_owned(),
        phone: tidy(&contact.phone),
        email: tidy(&contact.email).map(folded),
        url: tidy(&contact.url),
    }
}

fn check_contacts(contacts: &[ContactPoint], slips: &mut Vec<Slip>) {
    if contacts.len() > MOST_CONTACTS {
        let wrong = Wrong::TooMany {
            most: MOST_CONTACTS,
        };
        slips.push(wrong.at(["contacts"]));
        return;
    }
    for (position, contact) in contacts.iter().enumerate() {
        let position = position.to_string();
        let at = |field| ["contacts", position.as_str(), field];
        if let Some(wrong) = text_flaw(&contact.label, MOST_TEXT) {
            slips.push(wrong.at(at("label")));
        }
        let phone = contact.phone.as_deref();
        if let Some(wrong) = phone.and_then(|phone| text_flaw(phone, MOST_TEXT)) {
            slips.push(wrong.at(at("phone")));
        }
        let email = contact.email.as_deref();
        if email.is_some_and(|email| EmailAddress::parse(email).is_err()) {
            slips.push(Wrong::BadEmail.at(at("email")));
        }
        if contact.url.as_deref().is_some_and(|url| !is_page(url)) {
            slips.push(Wrong::BadUrl.at(at("url")));
        }
        if contact.phone.is_none() && contact.email.is_none() && contact.url.is_none() {
            slips.push(Wrong::NoWay.at(["contacts", position.as_str()]));
        }
    }
}

fn text_flaw(text: &str, most: usize) -> Option<Wrong> {
    match checked_text(text, most) {
        Ok(_) => None,
        Err(Flaw::Missing) => Some(Wrong::Missing),
        Err(_) => Some(Wrong::BadText { most }),
    }
}

/// An address that a browser opens as a page, and not as a script.
fn is_page(url: &str) -> bool {
    let host = ["https://", "http://"]
        .iter()
        .find_map(|scheme| url.strip_prefix(scheme));
    url.chars().count() <= MOST_URL
        && !url.chars().any(|c| is_control(c) || c.is_whitespace())
        && host.is_some_and(|host| host.starts_with(char::is_alphanumeric))
}
