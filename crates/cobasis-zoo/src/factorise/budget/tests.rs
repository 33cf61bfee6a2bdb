use proptest::prelude::*;

use super::*;

fn option(params: usize, macs: usize, error: f64) -> RankOption {
    RankOption { shared: params, unique: macs, costs: Costs { params, macs }, error }
}

/// The best choice, by trying all.
fn by_force(stages: &[Vec<RankOption>], fixed: Costs, budget: Budget) -> Option<(f64, Costs)> {
    let mut all = vec![(0.0, fixed)];
    for stage in stages {
        let extended = all.iter().flat_map(|&(error, costs)| {
            stage.iter().map(move |option| {
                let params = costs.params + option.costs.params;
                (error + option.error, Costs { params, macs: costs.macs + option.costs.macs })
            })
        });
        all = extended.collect();
    }
    let within = |limit: Option<usize>, cost| limit.is_none_or(|limit| cost <= limit);
    let fits =
        |costs: &Costs| within(budget.params, costs.params) && within(budget.macs, costs.macs);
    all.into_iter().filter(|(_, costs)| fits(costs)).min_by(|a, b| {
        let key = |costs: &Costs| (costs.params, costs.macs);
        a.0.total_cmp(&b.0).then_with(|| key(&a.1).cmp(&key(&b.1)))
    })
}

/// Whatever the budget, the answer is that of trying all.
fn check(stages: &[Vec<RankOption>], fixed: Costs, budget: Budget) {
    match (choose_ranks(stages, fixed, budget), by_force(stages, fixed, budget)) {
        (Ok(found), Some((error, costs))) => {
            assert!(found.exhaustive);
            assert_eq!(
                (found.error, found.costs),
                (error, costs),
                "{stages:?} {fixed:?} {budget:?}"
            );
            let chosen = stages.iter().zip(&found.options).map(|(stage, &place)| stage[place]);
            let sum = chosen.fold((0.0, fixed), |(error, costs), option| {
                let params = costs.params + option.costs.params;
                let macs = costs.macs + option.costs.macs;
                (error + option.error, Costs { params, macs })
            });
            assert_eq!(sum, (error, costs));
        }
        (Err(error), None) => check_refusal(stages, fixed, budget, error),
        (found, expected) => {
            panic!("{found:?} for {expected:?}: {stages:?} {fixed:?} {budget:?}")
        }
    }
}

/// Whether what is refused is refused for the right reason.
fn check_refusal(stages: &[Vec<RankOption>], fixed: Costs, budget: Budget, error: BudgetError) {
    let possible = |params, macs| by_force(stages, fixed, Budget { params, macs });
    match error {
        BudgetError::Params { limit, fewest } => {
            assert_eq!(Some(limit), budget.params);
            assert!(
                possible(Some(fewest), None).is_some() && possible(None, budget.macs).is_some()
            );
            assert!(fewest == 0 || possible(Some(fewest - 1), None).is_none());
        }
        BudgetError::Macs { limit, fewest } => {
            assert_eq!(Some(limit), budget.macs);
            assert!(
                possible(None, Some(fewest)).is_some() && possible(budget.params, None).is_some()
            );
            assert!(fewest == 0 || possible(None, Some(fewest - 1)).is_none());
        }
        BudgetError::Neither { limits, fewest } => {
            assert_eq!(budget, Budget { params: Some(limits.params), macs: Some(limits.macs) });
            assert!(possible(Some(fewest.params), None).is_some());
            assert!(possible(None, Some(fewest.macs)).is_some());
            assert!(limits.params < fewest.params && limits.macs < fewest.macs);
        }
        BudgetError::Together { limits, fewest_params, fewest_macs } => {
            assert_eq!(budget, Budget { params: Some(limits.params), macs: Some(limits.macs) });
            for costs in [fewest_params, fewest_macs] {
                assert!(possible(Some(costs.params), Some(costs.macs)).is_some());
            }
            assert!(fewest_params.params <= limits.params && fewest_macs.macs <= limits.macs);
        }
        other => panic!("{other}"),
    }
}

fn stage() -> impl Strategy<Value = Vec<RankOption>> {
    // Few different numbers, so that there are ties; and errors whose sums round.
    let any = (0_usize..12, 0_usize..12, 0_u32..9)
        .prop_map(|(p, m, e)| option(p, m, f64::from(e) / 10.0));
    prop::collection::vec(any, 1..7)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn choices_are_those_of_trying_all(
        stages in prop::collection::vec(stage(), 0..5),
        fixed in (0_usize..5, 0_usize..5),
        params in prop::option::of(0_usize..40),
        macs in prop::option::of(0_usize..40),
    ) {
        let fixed = Costs { params: fixed.0, macs: fixed.1 };
        check(&stages, fixed, Budget { params, macs });
    }

    #[test]
    fn so_are_those_where_both_limits_are_narrow(
        seeds in prop::collection::vec(prop::collection::vec((1_usize..1000, 0.0..1.0_f64), 3..12), 2..4),
        part in 0.8..1.6_f64,
    ) {
        // The more parameters, the fewer multiply-accumulates, about.
        let place = |&(p, error): &(usize, f64)| option(p, 100_000 / p + p % 7, error);
        let stages: Vec<Vec<RankOption>> = seeds.iter().map(|s| s.iter().map(place).collect()).collect();
        let middle = (100.0 * part * stages.len() as f64) as usize;
        let budget = Budget { params: Some(middle * 3), macs: Some(middle * 3) };
        check(&stages, Costs::default(), budget);
    }
}

proptest! {
    #[test]
    fn a_search_that_gives_up_still_keeps_to_the_budget(
        stages in prop::collection::vec(stage(), 1..5),
        params in prop::option::of(0_usize..40),
        macs in prop::option::of(0_usize..40),
    ) {
        let (fixed, budget) = (Costs::default(), Budget { params, macs });
        match (choose(&stages, fixed, budget, 1), by_force(&stages, fixed, budget)) {
            (Ok(found), Some((error, _))) => {
                prop_assert!(params.is_none_or(|limit| found.costs.params <= limit));
                prop_assert!(macs.is_none_or(|limit| found.costs.macs <= limit));
                prop_assert!(found.error >= error && (!found.exhaustive || found.error == error));
            }
            (Err(_), None) => {}
            (found, expected) => prop_assert!(false, "{found:?} for {expected:?}"),
        }
    }
}

/// A stage of `layers` layers of `width` channels: the ranks of `cobasis`, and errors that fall as
/// singular values do.
fn network_stage(width: usize, layers: usize, pixels: usize, scale: f64) -> Vec<RankOption> {
    let length = width * 9;
    let mut options = Vec::new();
    for shared in (0..width).step_by((width / 64).max(1)) {
        for unique in 0..48 {
            let own = layers * unique * length + layers * width * (shared + unique);
            let params = shared * length + own;
            let macs = layers * (shared + unique) * (length + width) * pixels;
            let rank = (shared as f64 + 3.0 * unique as f64) / width as f64;
            let error = scale * layers as f64 * (-3.0 * rank).exp();
            options.push(RankOption { shared, unique, costs: Costs { params, macs }, error });
        }
    }
    options
}

#[test]
fn networks_with_thousands_of_options_are_solved_in_full() {
    let stages = [
        network_stage(64, 5, 56 * 56, 0.6),
        network_stage(128, 7, 28 * 28, 0.8),
        network_stage(256, 11, 14 * 14, 1.0),
        network_stage(512, 5, 7 * 7, 1.3),
    ];
    assert!(stages.iter().all(|stage| stage.len() >= 3000));
    let fixed = Costs { params: 3_000_000, macs: 700_000_000 };
    for (params, macs) in [
        (Some(6_000_000), Some(1_500_000_000)),
        (Some(6_000_000), None),
        (None, Some(1_200_000_000)),
        (Some(4_000_000), Some(900_000_000)),
    ] {
        let budget = Budget { params, macs };
        let choice = choose_ranks(&stages, fixed, budget).expect("ranks");
        assert!(choice.exhaustive, "{budget:?}");
        assert!(params.is_none_or(|limit| choice.costs.params <= limit));
        assert!(macs.is_none_or(|limit| choice.costs.macs <= limit));
        // Exchanges between two stages find nothing better.
        for (a, b) in [(0, 1), (0, 3), (2, 3)] {
            let rest = |stage: usize| stages[stage][choice.options[stage]];
            let [current_a, current_b] = [rest(a), rest(b)];
            for option_a in stages[a].iter().step_by(7) {
                for option_b in stages[b].iter().step_by(5) {
                    let change = |of: fn(&RankOption) -> usize| {
                        of(option_a) as i64 + of(option_b) as i64
                            - (of(&current_a) + of(&current_b)) as i64
                    };
                    let params_now = choice.costs.params as i64 + change(|o| o.costs.params);
                    let macs_now = choice.costs.macs as i64 + change(|o| o.costs.macs);
                    let fits = params.is_none_or(|limit| params_now <= limit as i64)
                        && macs.is_none_or(|limit| macs_now <= limit as i64);
                    let better =
                        option_a.error + option_b.error < current_a.error + current_b.error - 1e-12;
                    assert!(!(fits && better), "{budget:?}: {option_a:?} {option_b:?}");
                }
            }
        }
    }
}

#[test]
fn without_a_budget_the_error_is_the_smallest() {
    let stages = [vec![option(5, 5, 0.5), option(9, 9, 0.0)], vec![option(1, 1, 0.1)]];
    let choice = choose_ranks(&stages, Costs { params: 1, macs: 2 }, Budget::default());
    let costs = Costs { params: 11, macs: 12 };
    let expected = RankChoice { options: vec![1, 0], costs, error: 0.1, exhaustive: true };
    assert_eq!(choice, Ok(expected));
}

#[test]
fn what_cannot_be_is_refused_with_what_can() {
    let stages = [vec![option(1, 9, 0.5), option(9, 1, 0.5)]];
    let fixed = Costs { params: 10, macs: 10 };
    let refused = |params, macs| {
        choose_ranks(&stages, fixed, Budget { params, macs }).expect_err("too small").to_string()
    };
    assert_eq!(refused(Some(10), None), "no ranks give 10 parameters or fewer: the fewest are 11");
    assert_eq!(
        refused(Some(3), Some(90)),
        "no ranks give 3 parameters or fewer: the fewest are 11"
    );
    let message = "no ranks give 10 multiply-accumulates or fewer: the fewest are 11";
    assert_eq!(refused(None, Some(10)), message);
    let message =
        "no ranks give 1 parameters or fewer, nor 2 multiply-accumulates: the fewest are 11 and 11";
    assert_eq!(refused(Some(1), Some(2)), message);
    let message = refused(Some(12), Some(12));
    assert!(
        message.contains("the fewest parameters, 11, there are 19 multiply-accumulates"),
        "{message}"
    );
    let none = choose_ranks(&[vec![]], fixed, Budget::default());
    assert_eq!(none, Err(BudgetError::NoOptions { stage: 0 }));
    let bad = choose_ranks(&[vec![option(1, 2, f64::NAN)]], fixed, Budget::default());
    assert_eq!(bad, Err(BudgetError::NotFinite { stage: 0, shared: 1, unique: 2 }));
}
