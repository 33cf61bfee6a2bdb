use super::*;
use crate::config::ModelConfig;

fn network(name: &str) -> ModelName {
    name.parse().expect("a network")
}

fn fitted(name: &str, key: &str, params: u64) -> Fit {
    let limits = Limits { params, macs: None };
    fit(&network(name), key, Blocks::AfterFirst, limits, &Device::flex()).expect("a setting")
}

/// Settings of matched budgets that were counted without this program.
#[test]
fn settings_and_counts_are_those_of_the_formulas() {
    for (name, key, budget, suffix, params, macs) in [
        ("cifar10/resnet32", "lowrank", 150_666, "lowrank3,5,11", 150_042, 23_050_000),
        ("cifar10/resnet32", "soft", 150_874, "templates4,3,1", 150_874, 68_860_000),
        ("cifar10/resnet32", "tied", 150_666, "tied", 125_466, 68_860_000),
        ("cifar10/resnet32", "tai", 150_666, "tai5,9,18", 150_042, 23_250_000),
        ("cifar10/resnet32", "joint-svd", 150_666, "jointsvd7,15,29-double", 150_522, 29_340_000),
        ("cifar10/resnet32", "filter-basis", 151_962, "filterbasis24x16", 151_962, 71_220_000),
        ("cifar10/resnet32", "width", 150_666, "width9", 147_691, 21_900_000),
        ("cifar10/resnet32", "dsfb", 150_666, "s8u1", 150_666, 47_630_000),
        ("cifar10/resnet32", "dense", 500_000, "", 464_154, 68_862_592),
        ("cifar10/resnet20", "lowrank", 125_074, "lowrank4,8,14", 124_826, 0),
        ("cifar10/resnet20", "dsfb", 125_074, "s8u1", 125_074, 0),
        ("cifar10/resnet56", "lowrank", 201_850, "lowrank2,5,9", 201_754, 0),
        ("cifar10/resnet32", "lowrank", 197_500, "lowrank4,9,18", 197_402, 0),
    ] {
        let Setting { suffix: found, counts, .. } = fitted(name, key, budget).nearest;
        assert_eq!((found.as_str(), counts.params), (suffix, params), "{name} {key}");
        let near = macs == 0 || counts.macs.abs_diff(macs) <= 10_000;
        assert!(near, "{name} {key}: {} multiply-accumulates", counts.macs);
    }
}

/// No other setting has more parameters within the budget: tried one by one.
#[test]
fn the_nearest_setting_is_the_best_of_all() {
    let (name, full) = (network("digits/resnet14"), [16, 32, 64]);
    let limits = Limits { params: 90_000, macs: Some(2_000_000) };
    let fit =
        fit(&name, "lowrank", Blocks::AfterFirst, limits, &Device::flex()).expect("a setting");
    let (mut most, mut most_even) = (0, 0);
    for a in (1..=full[0]).step_by(3) {
        for b in (1..=full[1]).step_by(5) {
            for c in (1..=full[2]).step_by(7) {
                let model = name.with_sharing(&format!("lowrank{a},{b},{c}")).expect("a name");
                let counts = Counts::of(&model, &Device::flex());
                if !limits.allow(&counts) {
                    continue;
                }
                most = most.max(counts.params);
                let shares =
                    [(a, 16.0), (b, 32.0), (c, 64.0)].map(|(n, full)| (f64::from(n as u32), full));
                let low = shares.iter().map(|(n, full)| (n - 1.0) / full).fold(0.0, f64::max);
                let high = shares.iter().map(|(n, full)| (n + 1.0) / full).fold(9.0, f64::min);
                if low < high {
                    most_even = most_even.max(counts.params);
                }
            }
        }
    }
    assert!(most > 0 && fit.nearest.counts.params >= most, "{fit:?} {most}");
    assert!(most_even > 0 && fit.even.counts.params >= most_even, "{fit:?} {most_even}");
    assert!(fit.even.counts.params <= fit.nearest.counts.params);
    assert!(limits.allow(&fit.nearest.counts) && limits.allow(&fit.even.counts));
}

#[test]
fn even_settings_are_proportional_up_to_rounding() {
    let Fit { even, .. } = fitted("cifar10/resnet32", "lowrank", 150_666);
    assert_eq!((even.suffix.as_str(), even.counts.params), ("lowrank3,5,11", 150_042));
    let even = fitted("cifar10/resnet32", "lowrank-norm", 150_666).even;
    assert_eq!((even.suffix.as_str(), even.counts.params), ("s0u3,5,11", 150_346));
    let even = fitted("cifar10/resnet32", "tucker", 150_666).even;
    assert_eq!((even.suffix.as_str(), even.counts.params), ("tucker5,10,22", 149_858));
    // Not 4, 3, 1: the stages have as many layers each.
    let Fit { even, nearest } = fitted("cifar10/resnet32", "soft", 150_874);
    assert_eq!(nearest.suffix, "templates4,3,1");
    assert_eq!(even.suffix, "templates2,2,1");
}

#[test]
fn first_blocks_may_share_too() {
    let limits = Limits { params: 100_000, macs: None };
    let name = network("cifar10/resnet20");
    let found = fit(&name, "lowrank", Blocks::All, limits, &Device::flex()).expect("a setting");
    assert!(found.nearest.suffix.ends_with("-all"), "{found:?}");
    assert_eq!(found.nearest.counts, Counts::of(&found.nearest.name, &Device::flex()));
    let dense = Limits { params: 300_000, macs: None };
    assert_eq!(
        fit(&name, "dense", Blocks::All, dense, &Device::flex()).expect("itself").nearest.name,
        name
    );
}

#[test]
fn what_does_not_fit_is_told_with_the_fewest_parameters() {
    let told = |key: &str, params, macs| {
        let limits = Limits { params, macs };
        let network = network("cifar10/resnet32");
        fit(&network, key, Blocks::AfterFirst, limits, &Device::flex()).expect_err(key).to_string()
    };
    let line = told("tied", 100_000, None);
    assert!(line.contains("at most 100000 parameters: its smallest form has 125466"), "{line}");
    let line = told("lowrank", 150_000, Some(1_000_000));
    assert!(line.contains("150000 parameters and 1000000 multiply-accumulates"), "{line}");
    let line = told("low-rank", 1, None);
    assert!(line.contains("unknown method \"low-rank\"; the methods are dense, width,"), "{line}");
    let bottleneck = network("imagenet/resnet50");
    let limits = Limits { params: 20_000_000, macs: None };
    let line = fit(&bottleneck, "lowrank", Blocks::AfterFirst, limits, &Device::flex())
        .expect_err("no form");
    assert_eq!(line.to_string(), "imagenet/resnet50 has no form of the method lowrank");
    assert!(!is_for(&bottleneck, "lowrank", Blocks::AfterFirst, &Device::flex()));
    assert!(is_for(&network("cifar10/resnet32"), "soft", Blocks::AfterFirst, &Device::flex()));
}

#[test]
fn a_budget_is_kept_by_every_method_there_is() {
    for (name, params) in [("cifar10/resnet20", 125_074), ("digits/resnet14", 120_000)] {
        for key in keys() {
            for blocks in [Blocks::AfterFirst, Blocks::All] {
                let limits = Limits { params, macs: None };
                match fit(&network(name), key, blocks, limits, &Device::flex()) {
                    Ok(Fit { nearest, even }) => {
                        for setting in [&nearest, &even] {
                            assert!(setting.counts.params <= params, "{key}: {setting:?}");
                            assert_eq!(
                                setting.counts,
                                Counts::of(&setting.name, &Device::flex()),
                                "{key}"
                            );
                        }
                    }
                    Err(FitError::NoForm { .. } | FitError::TooSmall { .. }) => {}
                    Err(error) => panic!("{key}: {error}"),
                }
            }
        }
    }
}

#[test]
fn ranks_that_training_finds_are_counted_at_most() {
    let found = fitted("cifar10/resnet20", "hinge", 125_074).nearest;
    assert_eq!((found.suffix.as_str(), found.counts.params), ("hinge48888", 125_074));
    assert!(found.counts.at_most);
    // In the first stage, at 32 by 32 pixels, are 4 layers of 16 filters of 160 weights, in the second,
    // at 16 by 16, 4 of 32 of 320, in the third, at 8 by 8, 4 of 64 of 640, of which each layer has one.
    let rest = Counts::of(&network("cifar10/resnet20"), &Device::flex()).macs
        - 3 * 4 * 32 * 32 * 9 * 16 * 16;
    let second = (48_888 - 4 * 16 * 160 - 4 * 640) / 320;
    let most = 32 * 32 * 4 * 16 * 160 + 16 * 16 * second * 320 + 8 * 8 * 4 * 640;
    assert_eq!(found.counts.macs, rest + most);
    let trained = Counts::in_training(&ModelConfig::new(found.name), &Device::flex());
    assert!(trained.params > 269_722 && !trained.at_most, "{trained:?}");
}

#[test]
fn a_layer_keeps_a_whole_filter_whatever_else_is_cut() {
    for method in ["hinge", "alf"] {
        let name = network("cifar10/resnet32").with_sharing(&format!("{method}73584"));
        assert_eq!(
            Counts::of(&name.expect("a name"), &Device::flex()).macs,
            45_744_768,
            "{method}"
        );
        let digits = network("digits/resnet14");
        // One filter in each layer, and nothing else.
        let smallest = digits.with_sharing(&format!("{method}2240")).expect("a name");
        assert_eq!(Counts::of(&smallest, &Device::flex()).macs, 782_976, "{method}");
        let limits = Limits { params: 200_000, macs: Some(800_000) };
        let found = fit(&digits, method, Blocks::AfterFirst, limits, &Device::flex())
            .expect("a setting")
            .nearest;
        assert!(limits.allow(&found.counts) && found.counts.macs >= 782_976, "{found:?}");
    }
}

#[test]
fn pairs_are_searched_as_far_as_names_go() {
    let found = fitted("digits/resnet14", "tbasis", 125_000);
    let known = network("digits/resnet14-tbasis195r5");
    assert_eq!(Counts::of(&known, &Device::flex()).params, 124_925);
    assert!((124_925..=125_000).contains(&found.nearest.counts.params), "{found:?}");
    assert_eq!(found.nearest.counts, Counts::of(&found.nearest.name, &Device::flex()));
    assert_eq!(found.even.counts, Counts::of(&found.even.name, &Device::flex()));
}
