use burn::tensor::Device;

use super::*;
use crate::factorise::budget::BudgetError;
use crate::factorise::factorise;
use crate::registry::Entry;
use crate::spec::{Architecture, BlockKind, DenseNetSpec, ResNetSpec};

fn model(name: ModelName) -> Model {
    ModelConfig::new(name).with_seed(4).init(&Device::flex())
}

fn resnet20() -> Model {
    model("cifar10/resnet20".parse().expect("a name"))
}

fn own(name: &str, architecture: Architecture) -> Model {
    model(ModelName::own(Entry::new(name.to_string(), architecture, 5, [3, 16, 16])).expect("one"))
}

fn chosen(
    dense: &Model,
    options: FormOptions,
    params: Option<usize>,
    macs: Option<usize>,
) -> Result<ChosenForm, FactoriseError> {
    let budget = Budget { params, macs };
    form_within(dense, options, &Moments::new(), Weighting::Plain, budget)
}

fn costs(dense: &Model, form: &ChosenForm, norms: Norms) -> Costs {
    costs_of(&with(&dense.config, form.name.clone(), norms).skeleton(&Device::flex()))
}

const ALL: FormOptions = FormOptions { blocks: Blocks::All, norms: Norms::All };

#[test]
fn what_ranks_cost_is_what_the_network_counts() {
    let densenet = own("mine/dense", Architecture::DenseNet(DenseNetSpec::new([2, 3], 6)));
    for dense in [resnet20(), densenet] {
        for blocks in [Blocks::AfterFirst, Blocks::All] {
            for norms in [Norms::All, Norms::WithoutInner] {
                let Ok(any) = any_form(&dense.config, FormOptions { blocks, norms }) else {
                    continue;
                };
                let device = Device::flex();
                if norms != Norms::All && !any.name.can_be_without_norms() {
                    continue;
                }
                let moments = Moments::new();
                let targets = Targets::of(&any.skeleton(&device)).expect("targets");
                let stages = Stage::of(&dense, &targets, &moments).expect("stages");
                let (all, replaced) =
                    (costs_of(&dense), stage::sum(stages.iter().map(Stage::dense_costs)));
                for ranks in [[3, 0], [1, 2], [0, 4], [40, 1], [90, 3]] {
                    let [s, u] = ranks;
                    let every = |rank: usize| vec![rank.to_string(); stages.len()].join(",");
                    let all_blocks = if blocks == Blocks::All { "-all" } else { "" };
                    let suffix = format!("s{}u{}{all_blocks}", every(s), every(u));
                    let name = dense.config.name.with_sharing(&suffix).expect("a name");
                    let counted =
                        costs_of(&with(&dense.config, name.clone(), norms).skeleton(&device));
                    let sum = stage::sum(stages.iter().map(|stage| stage.costs(s, u)));
                    assert_eq!(
                        (
                            all.params - replaced.params + sum.params,
                            all.macs - replaced.macs + sum.macs
                        ),
                        (counted.params, counted.macs),
                        "{name}"
                    );
                }
            }
        }
    }
}

#[test]
fn budgets_are_met_and_the_smallest_is_named() {
    let dense = resnet20();
    for options in [FormOptions::default(), ALL] {
        let refused = chosen(&dense, options, Some(100), None).expect_err("too small");
        let FactoriseError::Budget { source: BudgetError::Params { fewest, .. }, .. } = refused
        else {
            panic!("{refused}");
        };
        let least = chosen(&dense, options, Some(fewest), None).expect("the smallest there is");
        assert_eq!(costs(&dense, &least, Norms::All).params, fewest);
        assert!(chosen(&dense, options, Some(fewest - 1), None).is_err());
        let checked = |params| check_budget(&dense, options, Budget { params, macs: None });
        assert!(checked(Some(fewest)).is_ok());
        assert_eq!(
            checked(Some(fewest - 1)).err(),
            chosen(&dense, options, Some(fewest - 1), None).err()
        );
        for params in [fewest + 1, fewest + 777, 100_001, 125_074, 200_000, 10_000_000] {
            let form = chosen(&dense, options, Some(params), None).expect("a form");
            assert!(form.exhaustive);
            let found = costs(&dense, &form, Norms::All).params;
            assert!(found <= params, "{}: {found} > {params}", form.name);
            assert!(params > 200_000 || params - found < 1000, "{}: {found}", form.name);
        }
        let both = chosen(&dense, options, Some(130_000), Some(35_000_000)).expect("a form");
        let found = costs(&dense, &both, Norms::All);
        assert!(found.params <= 130_000 && found.macs <= 35_000_000, "{found:?}");
    }
    // Without a limit nothing is lost.
    let whole = chosen(&dense, FormOptions::default(), None, None).expect("a form");
    let config = with(&dense.config, whole.name, Norms::All);
    let (_, errors) =
        factorise(&dense, config, &Moments::new(), Weighting::Plain, &Device::flex()).expect("one");
    assert!(errors.iter().all(|error| error.filters < 1e-3), "{errors:?}");
}

#[test]
fn no_other_ranks_within_the_budget_lose_less() {
    let spec = ResNetSpec::new(BlockKind::Basic, [2, 2]).with_width(2);
    let dense = own("mine/small", Architecture::ResNet(spec));
    let device = Device::flex();
    let lost = |name: &ModelName| -> f64 {
        let config = with(&dense.config, name.clone(), Norms::All);
        let (_, errors) = factorise(&dense, config, &Moments::new(), Weighting::Plain, &device)
            .expect("a network");
        errors.iter().map(|error| error.filters.powi(2)).sum()
    };
    let fixed = costs_of(&dense).params;
    for limit in [fixed - 60, fixed - 100, fixed - 140] {
        let form = chosen(&dense, FormOptions::default(), Some(limit), None).expect("a form");
        let best = lost(&form.name);
        for (a, b) in (0..25).map(|pair| (pair / 5, pair % 5)) {
            for (u, v) in (0..4).map(|pair| (pair / 2, pair % 2)) {
                let name = dense.config.name.with_sharing(&format!("s{a},{b}u{u},{v}"));
                let Ok(name) = name else { continue };
                let config = with(&dense.config, name.clone(), Norms::All);
                if costs_of(&config.skeleton(&device)).params <= limit {
                    assert!(lost(&name) >= best - 1e-9, "{name} loses less than {}", form.name);
                }
            }
        }
    }
}

#[test]
fn few_forms_are_tried() {
    let spec = ResNetSpec::new(BlockKind::Bottleneck, [3, 2]).with_width(4);
    let dense = own("mine/bottlenecks", Architecture::ResNet(spec));
    let all = costs_of(&dense).params;
    let form = chosen(&dense, FormOptions::default(), Some(all - 1), None).expect("a form");
    assert_eq!(form.name.to_string(), "mine/bottlenecks-shared");
    let found = costs(&dense, &form, Norms::All).params;
    let form = chosen(&dense, FormOptions::default(), Some(found - 1), None).expect("a form");
    assert_eq!(form.name.to_string(), "mine/bottlenecks-shared++");
    let least = costs(&dense, &form, Norms::All).params;
    let refused = chosen(&dense, FormOptions::default(), Some(least - 1), None).expect_err("none");
    assert!(refused.to_string().contains(&format!("the fewest are {least}")), "{refused}");
    assert!(chosen(&dense, ALL, Some(all), None).is_err());
}
