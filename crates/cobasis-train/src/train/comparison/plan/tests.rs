use super::*;

fn plan(text: &str) -> Result<Plan, ConfigError> {
    Plan::new(&Comparison::parse("a.toml", text)?)
}

const FILE: &str = "networks = ['digits/resnet14']\n\
    budgets = [124_000, 130_000]\nseeds = [0, 1]\nblocks = ['after-first', 'all']\n\
    [[methods]]\nmethod = 'dense'\n\
    [[methods]]\nmethod = 'tied'\n\
    [[methods]]\nmethod = 'soft'\nblocks = ['after-first']\n\
    [[methods]]\nsuffix = 's4u1'\n\
    [[methods]]\nlabel = 'DSFB, QR'\nsuffix = 's4u1'\nset = { ortho.constraint = 'qr' }\n\
    [recipe]\ntrain.epochs = 1\n";

#[test]
fn rows_and_runs_are_in_a_fixed_order() {
    let plan = plan(FILE).unwrap();
    let rows: Vec<String> = plan
        .rows
        .iter()
        .map(|row| {
            let blocks = row.blocks.map_or("-", |blocks| match blocks {
                Blocks::AfterFirst => "after-first",
                Blocks::All => "all",
            });
            let budget = row.budget.map_or("-".to_string(), |budget| budget.to_string());
            format!("{blocks} {budget} {}", row.label)
        })
        .collect();
    assert_eq!(
        rows,
        [
            "- - dense",
            "after-first 124000 tied",
            "after-first 124000 soft",
            "after-first - s4u1",
            "after-first - DSFB, QR",
            "after-first 130000 tied",
            "after-first 130000 soft",
            "all 124000 tied",
            "all - s4u1",
            "all - DSFB, QR",
            "all 130000 tied",
        ]
    );
    let names: Vec<&str> = plan.runs.iter().map(|run| run.name.as_str()).collect();
    assert_eq!(
        names[..3],
        ["digits-resnet14/seed-0", "digits-resnet14/seed-1", "digits-resnet14-tied/seed-0"]
    );
    assert!(names.contains(&"digits-resnet14-s4u1+dsfb-qr/seed-1"), "{names:?}");
    assert!(names.contains(&"digits-resnet14-s4u1-all/seed-0"), "{names:?}");
    // Both budgets have the same tied network, which is trained once.
    assert_eq!(plan.rows[1].runs, plan.rows[5].runs);
    let mut distinct = names.clone();
    distinct.sort_unstable();
    distinct.dedup();
    assert_eq!(distinct.len(), names.len());
    let soft = &plan.rows[2];
    assert!(soft.counts.params <= 124_000 && soft.dense_params > 124_000);
}

#[test]
fn networks_come_one_after_the_other_with_data_of_their_own() {
    let text = "networks = ['cifar10/resnet20', 'digits/resnet14']\nseeds = [3]\n\
                [[methods]]\nsuffix = 'tied'\n[[methods]]\nmethod = 'dense'\n[recipe]\n";
    let plan = plan(text).unwrap();
    let runs: Vec<(&str, &str)> =
        plan.runs.iter().map(|run| (run.name.as_str(), run.config.data.name.as_str())).collect();
    assert_eq!(
        runs,
        [
            ("cifar10-resnet20-tied/seed-3", "cifar10"),
            ("cifar10-resnet20/seed-3", "cifar10"),
            ("digits-resnet14-tied/seed-3", "digits"),
            ("digits-resnet14/seed-3", "digits"),
        ]
    );
    assert_eq!(plan.data_sets().len(), 2);
}

#[test]
fn jobs_take_every_nth_run_and_miss_none() {
    let runs: Vec<usize> = (0..7).collect();
    let share = |text: &str| -> Vec<usize> {
        text.parse::<Job>().expect(text).share(&runs).copied().collect()
    };
    assert_eq!(share("1/3"), [0, 3, 6]);
    assert_eq!(share("2/3"), [1, 4]);
    assert_eq!(share("3/3"), [2, 5]);
    assert_eq!(Job::ALL.share(&runs).count(), 7);
    assert_eq!(share("9/9"), [0; 0]);
    for wrong in ["0/2", "3/2", "1", "1/0", "a/2", "-1/2", "1/2/3", ""] {
        assert!(wrong.parse::<Job>().is_err(), "{wrong}");
    }
}

#[test]
fn what_does_not_fit_is_told_with_its_method() {
    let refused = |text: String| plan(&text).expect_err(&text).to_string();
    let told = refused(FILE.replace("124_000", "1_000"));
    assert!(told.starts_with("methods[1]: no setting of tied gives digits/resnet14"), "{told}");
    let told = refused(FILE.replace("budgets = [124_000, 130_000]\n", ""));
    assert!(told.contains("methods[1]: expected at least one budget"), "{told}");
    let told = refused(FILE.replace("suffix = 's4u1'", "suffix = 's4'"));
    assert!(told.starts_with("methods[3]: ") && told.contains("s4"), "{told}");
    let told = refused(FILE.replace("set = { ortho.constraint = 'qr' }\n", ""));
    assert!(told.contains("\"s4u1\" and \"DSFB, QR\" train the same model"), "{told}");
    let told = refused(FILE.replace("method = 'tied'", "method = 'soft'\nlabel = 'x'"));
    assert!(told.contains("train the same model"), "{told}");
}
