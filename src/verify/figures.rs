//! Verifying figures: the numbers of changes, the deltas against the periods, and every total of every
//! series against a recount of the deltas.

use chrono::NaiveDate;

use super::{
    Report,
    entity::{self, StoredTotal, Wrong},
};
use crate::{
    change::{self, Horizon},
    db::{DatabaseTransaction, DbErr},
    figures::{
        Counts, Grid, Work,
        entity::{Block, Cube, Series, Sums, folded_deltas, totals_of},
    },
};

/// Wrong deltas that are fetched to be listed.
const MOST_DELTAS: i64 = 100;

/// Verifies all figures.
pub async fn verify(snapshot: &DatabaseTransaction, report: &mut Report) -> Result<(), DbErr> {
    let horizon = change::horizon(snapshot).await?;
    verify_numbers(snapshot, &horizon, report).await?;
    let (wrong, count) = entity::wrong_deltas(snapshot, MOST_DELTAS).await?;
    let listed = u64::try_from(wrong.len()).unwrap_or(0);
    for Wrong {
        key,
        expected,
        found,
    } in wrong
    {
        report.differs("figure_delta", key, expected, found);
    }
    report.differ_too(count - listed);
    for cube in &Cube::ALL {
        verify_totals(snapshot, cube, &horizon, report).await?;
    }
    Ok(())
}

/// Changes are numbered without gaps, in the order of the instants at which they were.
async fn verify_numbers(
    snapshot: &DatabaseTransaction,
    horizon: &Horizon,
    report: &mut Report,
) -> Result<(), DbErr> {
    for table in ["facility_event", "figure_delta", "work_delta"] {
        for change in entity::missing_changes(snapshot, table).await? {
            report.differs(
                "change",
                format!("change {change} of {table}"),
                "a row",
                "none",
            );
        }
    }
    let numbering = entity::numbering(snapshot).await?;
    if numbering.numbered != numbering.last {
        report.differs(
            "change",
            "seq",
            format!("1 to {}", numbering.last),
            numbering.numbered,
        );
    }
    if numbering.backwards > 0 {
        let found = format!("{} before the one before", numbering.backwards);
        report.differs("change", "settled_at", "in the order of seq", found);
    }
    if horizon.last_seq != numbering.last {
        report.differs(
            "change_horizon",
            "last_seq",
            numbering.last,
            horizon.last_seq,
        );
    }
    if horizon.folded_seq > horizon.last_seq {
        let most = format!("at most {}", horizon.last_seq);
        report.differs("change_horizon", "folded_seq", most, horizon.folded_seq);
    }
    if let Some(last_at) = numbering.last_at.filter(|at| *at > horizon.settled_until) {
        let least = format!("at least {last_at}");
        report.differs(
            "change_horizon",
            "settled_until",
            least,
            horizon.settled_until,
        );
    }
    Ok(())
}

/// Every series, on every day on which it changes.
async fn verify_totals(
    snapshot: &DatabaseTransaction,
    cube: &Cube,
    horizon: &Horizon,
    report: &mut Report,
) -> Result<(), DbErr> {
    let mut sums = Sums::default();
    let mut next = Some((0, 0));
    while let Some(after) = next {
        next = folded_deltas(snapshot, cube, after, horizon.folded_seq, &mut sums).await?;
    }
    report.checked.deltas += u64::try_from(sums.len()).unwrap_or(0);
    let mut sizes = entity::series_sizes(snapshot, cube).await?;
    let table = cube.totals.name;
    report.checked.totals += sizes
        .values()
        .filter_map(|size| u64::try_from(*size).ok())
        .sum::<u64>();
    while let Some((series, deltas)) = sums.next_series() {
        let (level, start) = series.block.key();
        sizes.remove(&(level, start, series.vendor, series.chain));
        let found = entity::totals(snapshot, cube, &series).await?;
        compare_series(cube, &series, totals_of(deltas), found, report);
    }
    for ((level, start, vendor, chain), size) in sizes {
        let key = format!("block {level} from {start}, vendor {vendor}, chain {chain}");
        report.differs(table, key, "no totals", size);
    }
    Ok(())
}

fn compare_series(
    cube: &Cube,
    series: &Series,
    expected: impl Iterator<Item = (NaiveDate, Grid)>,
    found: Vec<StoredTotal>,
    report: &mut Report,
) {
    let mut found = found.into_iter().peekable();
    let table = cube.totals.name;
    for (day, grid) in expected {
        verify_signs(cube, series, day, &grid, report);
        while let Some((surplus, _)) = found.next_if(|(other, _)| *other < day) {
            report.differs(table, key(series, surplus), "no total", "one");
        }
        match found.next_if(|(other, _)| *other == day) {
            None => report.differs(table, key(series, day), "a total", "none"),
            Some((_, bytes)) if bytes != grid.encode() => {
                compare_grids(cube, series, day, &grid, &bytes, report);
            }
            Some(_) => {}
        }
    }
    for (surplus, _) in found {
        report.differs(table, key(series, surplus), "no total", "one");
    }
}

fn key(series: &Series, day: NaiveDate) -> String {
    let Series {
        block,
        vendor,
        chain,
    } = series;
    format!("{block:?}, vendor {vendor}, chain {chain}, from {day}")
}

/// At every date live ⊆ ready ⊆ applied ⊆ open, and no work is less than none. What a block of known time adds may well
/// be negative.
fn verify_signs(cube: &Cube, series: &Series, day: NaiveDate, grid: &Grid, report: &mut Report) {
    if series.block != Block::All {
        return;
    }
    let is_work = cube.totals.name == Cube::WORK.totals.name;
    for (kind, prefecture, counts) in grid.iter() {
        let (is_right, rule) = if is_work {
            let Work {
                installed,
                waiting,
                minutes,
                timed,
            } = counts.into();
            let least = installed.min(waiting).min(minutes).min(timed);
            (least >= 0, "nothing below 0")
        } else {
            let Counts {
                all,
                applied,
                ready,
                live,
            } = counts;
            let nested = 0 <= live && live <= ready && ready <= applied && applied <= all;
            (nested, "live ≤ ready ≤ applied ≤ all")
        };
        if !is_right {
            let key = format!("{}, {kind:?} in {}", key(series, day), prefecture.name_en());
            report.differs(cube.deltas.name, key, rule, written(&counts));
        }
    }
}

fn compare_grids(
    cube: &Cube,
    series: &Series,
    day: NaiveDate,
    expected: &Grid,
    bytes: &[u8],
    report: &mut Report,
) {
    let table = cube.totals.name;
    let mut found = Grid::default();
    if found.add_encoded(bytes).is_none() {
        return report.differs(table, key(series, day), "counts", "other bytes");
    }
    let mut difference = found.clone();
    difference.subtract_grid(expected);
    let Some((kind, prefecture, _)) = difference.iter().next() else {
        return report.differs(table, key(series, day), "the usual form", "another");
    };
    let key = format!("{}, {kind:?} in {}", key(series, day), prefecture.name_en());
    let at = |grid: &Grid| written(&grid.at(kind, prefecture));
    report.differs(table, key, at(expected), at(&found));
}

fn written(counts: &Counts) -> String {
    let Counts {
        all,
        applied,
        ready,
        live,
    } = counts;
    format!("{all}/{applied}/{ready}/{live}")
}
