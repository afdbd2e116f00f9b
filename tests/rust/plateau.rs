use burn::lr_scheduler::LrScheduler;
use mnistburn::config::{LrSchedule, Settings, TrainingConfig};
use serde_json::{Value, json};

#[test]
fn the_rates_on_a_plateau_are_those_of_pytorch() {
    let text = include_str!("../fixtures/schedules/reduce_on_plateau.json");
    let cases: Vec<Value> = serde_json::from_str(text).unwrap();
    assert!(cases.len() > 5);
    for case in cases {
        let config =
            json!({"learning_rate": 0.1, "lr_scheduler": {"ReduceOnPlateau": case["config"]}});
        let config = TrainingConfig::from_json(&config.to_string()).unwrap();
        let numbers = |key: &str| -> Vec<f64> {
            let values = case[key].as_array().unwrap().iter();
            values.map(|value| value.as_f64().unwrap()).collect()
        };
        let (values, expected) = (numbers("values"), numbers("rates"));
        let mut schedule: LrSchedule = config.schedule().unwrap();
        let mut rates = vec![schedule.step()];
        for value in &values {
            schedule.end_epoch(*value);
            rates.push(schedule.step());
            // The rate stays within an epoch.
            assert_eq!(schedule.step().to_bits(), rates[rates.len() - 1].to_bits());
        }
        let same = |(rate, expected): (&f64, &f64)| (rate - expected).abs() <= 1e-12 * expected;
        assert!(
            rates.iter().zip(&expected).all(same),
            "{:?}: {rates:?}",
            case["config"]
        );
        // What the state of a resumed run follows from.
        let mut again = config.schedule().unwrap().after_epochs(&values);
        assert_eq!(again.step().to_bits(), schedule.step().to_bits());
    }
}
