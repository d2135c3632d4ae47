//! Which facility a row is about, among those that its sender can see.

use std::collections::HashMap;

use crate::{
    auth::{Actor, Permission},
    db::{Database, DbErr, FacilityId, OrganisationId},
    facility::{
        InstitutionCode,
        entity::{FoundCode, all_by_references, find_by_codes},
    },
    milestone::Problem,
    sheet::{Asked, IdentifiedBy, Name, RowProblem, SheetProblem, column::Field},
};

/// The facilities that the rows of a sheet may name.
pub(super) struct Named {
    codes: HashMap<InstitutionCode, FoundCode>,
    references: HashMap<String, Vec<FacilityId>>,
}

impl Named {
    /// Looks up every name that the rows give.
    pub async fn find<'a>(
        database: &Database,
        actor: &Actor,
        organisation: Option<OrganisationId>,
        rows: impl Iterator<Item = &'a Asked>,
    ) -> Result<Self, DbErr> {
        let (mut codes, mut references) = (Vec::new(), Vec::new());
        for name in rows.flat_map(|row| &row.names) {
            match name {
                Name::Code(code, _) => codes.push(*code),
                Name::Reference(text) => references.push(text.clone()),
            }
        }
        let scope = actor.scope(Permission::FacilityRead);
        let codes = if codes.is_empty() {
            HashMap::new()
        } else {
            find_by_codes(database, &scope, &codes).await?
        };
        // What the organisation calls them in whose name the sheet was sent; what any of the sender's does if it is in
        // nobody's.
        let mut organisations = actor.organisations_with(Permission::FacilityRead);
        organisations.retain(|one| organisation.is_none_or(|theirs| theirs == *one));
        let references = if references.is_empty() || organisations.is_empty() {
            HashMap::new()
        } else {
            all_by_references(database, &scope, &organisations, references).await?
        };
        Ok(Self { codes, references })
    }

    /// The one facility that a row names, and how. A reference that nobody has told us of says nothing against a code.
    pub fn of(&self, row: &Asked) -> Result<(FacilityId, IdentifiedBy), RowProblem> {
        let mut found: Option<(FacilityId, IdentifiedBy)> = None;
        for name in &row.names {
            let Name::Code(code, by) = name else {
                continue;
            };
            let one = self.by_code(*code, *by);
            found = Some(one.ok_or_else(|| RowProblem::at(Field::Code, Problem::NotFound))?);
        }
        for name in &row.names {
            let Name::Reference(text) = name else {
                continue;
            };
            let fits = self.references.get(text).map_or(&[][..], Vec::as_slice);
            match (found, fits) {
                (_, []) => {}
                (Some((facility, _)), fits) if fits.contains(&facility) => {}
                (None, [one]) => found = Some((*one, IdentifiedBy::Reference)),
                _ => return Err(RowProblem::of(SheetProblem::Ambiguous)),
            }
        }
        found.ok_or_else(|| RowProblem::of(Problem::NotFound))
    }

    fn by_code(
        &self,
        code: InstitutionCode,
        by: IdentifiedBy,
    ) -> Option<(FacilityId, IdentifiedBy)> {
        let found = self.codes.get(&code)?;
        let past = found.valid_until.is_some() && by == IdentifiedBy::Code;
        let by = if past { IdentifiedBy::PastCode } else { by };
        Some((found.facility, by))
    }
}
