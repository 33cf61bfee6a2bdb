//! What all ranks of a run must have alike: looked at before the first step, and the weights after every epoch.

use cobasis_kernels::vector_unit;
use cobasis_zoo::Model;
use cobasis_zoo::files::to_bytes;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::Ranks;
use crate::config::{Config, ConfigError, Difference};
use crate::device::DeviceName;
use crate::error::Error;
use crate::train::DataIdentity;

/// What a rank says of itself.
#[derive(Serialize, Deserialize)]
struct Rank {
    version: String,
    /// Numbers that are added in vectors of another length come to others.
    vector_unit: String,
    device: String,
    config: String,
}

/// Refuses ranks of other versions, processors or configurations than the first.
pub(crate) fn check_run(ranks: &Ranks, config: &Config, device: DeviceName) -> Result<(), Error> {
    if ranks.count() == 1 {
        return Ok(());
    }
    let own = Rank {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        vector_unit: vector_unit().to_owned(),
        device: device.kind().to_owned(),
        config: config.to_toml()?,
    };
    let all: Vec<Rank> = said(ranks, &own)?;
    for (number, rank) in all.iter().enumerate().skip(1) {
        let first = &all[0];
        let other = |what: &str, now: &str, was: &str, hint: &str| {
            let problem = format!("rank {number} has {what} {now}, rank 0 has {was}{hint}");
            Err(Error::Usage(format!("all ranks must be alike: {problem}")))
        };
        if rank.version != first.version {
            return other("cobasis", &rank.version, &first.version, "");
        }
        let [now, was] = [rank, first].map(|rank| &rank.vector_unit);
        if now != was {
            let hint = "; COBASIS_ISA=avx2 or portable, for all, makes them compute alike";
            return other("the vector unit", now, was, hint);
        }
        if rank.device != first.device {
            return other("--device", &rank.device, &first.device, "");
        }
        if rank.config != first.config {
            let [was, now] =
                [first, rank].map(|rank| Config::parse_with("rank", &rank.config, &[]));
            let differences = was?.differences(&now?)?;
            if let Some(Difference { key, before, now }) = differences.first() {
                let shown = |value: &Option<toml::Value>| {
                    value.as_ref().map_or("nothing".to_owned(), ToString::to_string)
                };
                return other(&format!("{key} ="), &shown(now), &shown(before), "");
            }
        }
    }
    check_accumulate(config, ranks.count())
}

/// Refuses steps whose batches can't be dealt out evenly.
pub(crate) fn check_accumulate(config: &Config, ranks: usize) -> Result<(), Error> {
    let batches = config.train.accumulate;
    if batches.is_multiple_of(ranks) {
        return Ok(());
    }
    let problem = format!(
        "expected a multiple of {ranks} for {ranks} ranks or devices, each of which has as many of the \
         batches of a step, got {batches}; --set train.accumulate={} would do",
        batches.next_multiple_of(ranks)
    );
    Err(ConfigError::at("train.accumulate", problem).into())
}

/// Refuses ranks with other images than the first, or that see another directory: `is_new` says whether they see no
/// run there.
pub(crate) fn check_data(ranks: &Ranks, data: &DataIdentity, is_new: bool) -> Result<(), Error> {
    if ranks.count() == 1 {
        return Ok(());
    }
    let all: Vec<(DataIdentity, bool)> = said(ranks, &(data, is_new))?;
    for (number, (now, sees_none)) in all.iter().enumerate().skip(1) {
        let (before, is_new) = &all[0];
        if let Some(difference) = before.difference(now) {
            return Err(Error::Usage(format!(
                "all ranks must have the same data, and rank {number} has other than rank 0: {difference}"
            )));
        }
        if sees_none != is_new {
            return Err(Error::Usage(format!(
                "all ranks must see the run's directory: rank {number} does not see what rank 0 sees in \
                 --out; put it on a file system that all share"
            )));
        }
    }
    Ok(())
}

/// Refuses to go on where the weights of the ranks are not the same to the last bit. `when` says when that was seen.
pub(crate) fn check_model(ranks: &Ranks, model: &Model, when: &str) -> Result<(), Error> {
    if ranks.count() == 1 {
        return Ok(());
    }
    let all = ranks.gather(&Sha256::digest(to_bytes(model)))?;
    match all.iter().position(|sum| *sum != all[0]) {
        None => Ok(()),
        Some(rank) => Err(Error::Link(format!(
            "{when}, rank {rank} has other weights than rank 0; nothing of it was saved"
        ))),
    }
}

/// What all say.
fn said<S: Serialize, R: for<'a> Deserialize<'a>>(ranks: &Ranks, own: &S) -> Result<Vec<R>, Error> {
    let no_sense = |error: serde_json::Error| Error::Link(format!("what a rank said: {error}"));
    let messages = ranks.gather(&serde_json::to_vec(own).map_err(no_sense)?)?;
    messages.iter().map(|message| serde_json::from_slice(message).map_err(no_sense)).collect()
}
