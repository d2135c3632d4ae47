//! What async-graphql alone costs for the national figures: the same cells under the same names, answered
//! from memory.

use actix_web::web::{Data, Json};
use async_graphql::{
    EmptyMutation, EmptySubscription, Enum, Object, Request, Response, Schema, SimpleObject,
};
use sqlx::{PgPool, Row};

/// The schema with its cells.
pub type Figures = Schema<Query, EmptyMutation, EmptySubscription>;

#[derive(Clone, Copy, Enum, PartialEq, Eq)]
enum FigureDimension {
    Kind,
    Prefecture,
}

#[derive(Clone, Copy, Enum, PartialEq, Eq)]
enum FacilityKind {
    Hospital,
    MedicalClinic,
    DentalClinic,
    Pharmacy,
}

/// A kind in a prefecture.
#[derive(Clone, SimpleObject)]
pub struct Cell {
    kind: FacilityKind,
    prefecture: kaitsu::facility::graphql::PrefectureName,
    all: i64,
    applied: i64,
    ready: i64,
    live: i64,
}

/// The answer.
#[derive(SimpleObject)]
struct RolloutFigures {
    as_of: String,
    cells: Vec<Cell>,
}

/// The root.
pub struct Query(Vec<Cell>);

#[Object]
impl Query {
    /// As Kaitsu's field of this name, with the arguments that the bench gives.
    async fn rollout_figures(
        &self,
        as_of: Option<String>,
        group_by: Vec<FigureDimension>,
    ) -> RolloutFigures {
        let cells = if group_by.is_empty() {
            Vec::new()
        } else {
            self.0.clone()
        };
        RolloutFigures {
            as_of: as_of.unwrap_or_default(),
            cells,
        }
    }
}

/// Counts the cells once, from the facilities' rows.
///
/// # Errors
/// The database fails.
pub async fn read(pool: &PgPool) -> Result<Vec<Cell>, sqlx::Error> {
    let rows = sqlx::query(
        "SELECT kind, prefecture, count(*), count(reader_applied_on), count(ready_on), count(live_on) \
         FROM facility_state WHERE closed_on IS NULL GROUP BY kind, prefecture ORDER BY 1, 2",
    )
    .fetch_all(pool)
    .await?;
    rows.iter()
        .map(|row| {
            let prefecture: i16 = row.try_get(1)?;
            let kind = match row.try_get::<i16, _>(0)? {
                0 => FacilityKind::Hospital,
                1 => FacilityKind::MedicalClinic,
                2 => FacilityKind::DentalClinic,
                _ => FacilityKind::Pharmacy,
            };
            let prefecture = u8::try_from(prefecture).unwrap_or(1);
            Ok(Cell {
                kind,
                prefecture: kaitsu::facility::Prefecture::from_number(prefecture)
                    .unwrap_or(kaitsu::facility::Prefecture::FIRST)
                    .into(),
                all: row.try_get(2)?,
                applied: row.try_get(3)?,
                ready: row.try_get(4)?,
                live: row.try_get(5)?,
            })
        })
        .collect()
}

/// The schema that answers with these cells.
pub fn schema(cells: Vec<Cell>) -> Figures {
    Schema::build(Query(cells), EmptyMutation, EmptySubscription).finish()
}

/// Answers a request.
pub async fn answer(schema: Data<Figures>, request: Json<Request>) -> Json<Response> {
    Json(schema.execute(request.into_inner()).await)
}
