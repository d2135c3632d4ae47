//! Who has reported by the day of a figure, in the API.

use async_graphql::{Context, Enum, Object};

use super::cells::{name, percent};
use crate::{
    api::{ApiResult, Date},
    facility::graphql::OrganisationSummary,
    figures::service::{Coverage, Dimension, Reporter},
};

/// As what somebody reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub enum ReporterKind {
    /// The vendor that facilities engaged on the day.
    Vendor,
    /// The chain that they belonged to on the day.
    Chain,
}

/// A vendor or chain that reports for some of the facilities that are counted.
pub struct FigureReporter {
    reporter: Reporter,
    complete: bool,
}

/// A vendor or chain that reports for some of the facilities that are counted.
#[Object]
impl FigureReporter {
    /// Who.
    async fn organisation(&self, context: &Context<'_>) -> ApiResult<Option<OrganisationSummary>> {
        name(context, Some(self.reporter.organisation)).await
    }

    /// As what.
    async fn kind(&self) -> ReporterKind {
        match self.reporter.dimension {
            Dimension::Chain => ReporterKind::Chain,
            _ => ReporterKind::Vendor,
        }
    }

    /// For how many of the open facilities that are counted.
    async fn facility_count(&self) -> i64 {
        self.reporter.facilities
    }

    /// Up to which day its records are complete, by its own word; null if it never said so, or took it back. Those who do
    /// not count the whole nation are told no later day than that of the figures.
    async fn complete_to(&self) -> Option<Date> {
        self.reporter.complete_to.map(Date)
    }

    /// Whether that is the day of the figures or later.
    async fn is_complete(&self) -> bool {
        self.complete
    }
}

/// How much of what is counted was reported by the day (報告の網羅率): a facility is covered if its vendor or its chain of
/// that day has confirmed that everything up to it is recorded.
pub struct FigureCoverage {
    pub coverage: Coverage,
    pub as_of: chrono::NaiveDate,
}

/// How much of what is counted was reported by the day (報告の網羅率): a facility is covered if its vendor or its chain of
/// that day has confirmed that everything up to it is recorded.
#[Object]
impl FigureCoverage {
    /// Open facilities that are counted.
    async fn facility_count(&self) -> i64 {
        self.coverage.facilities
    }

    /// Those whose vendor or chain has reported.
    async fn covered_count(&self) -> i64 {
        self.coverage.covered
    }

    /// Those that had neither a vendor nor a chain: nobody reports for them.
    async fn unassigned_count(&self) -> i64 {
        self.coverage.unassigned
    }

    /// `coveredCount` of `facilityCount`, in per cent, rounded half up to one decimal.
    async fn covered_percent(&self) -> Option<f64> {
        percent(self.coverage.covered, self.coverage.facilities)
    }

    /// Who reports for them, those with the most facilities first.
    async fn reporters(
        &self,
        #[graphql(desc = "Only those who have reported by the day, or only those who have not.")]
        is_complete: Option<bool>,
    ) -> Vec<FigureReporter> {
        let complete = |one: &Reporter| one.complete_to.is_some_and(|day| day >= self.as_of);
        self.coverage
            .reporters
            .iter()
            .map(|reporter| FigureReporter {
                reporter: *reporter,
                complete: complete(reporter),
            })
            .filter(|one| is_complete.is_none_or(|wanted| wanted == one.complete))
            .collect()
    }
}
