//! Functions that are the same on every machine.

/// The sine and the cosine of an angle of at most half a turn, by their series: sums, products and quotients are the same on
/// every machine, the system's functions are not.
#[inline]
pub(super) fn sine_and_cosine(angle: f64) -> (f64, f64) {
    let square = angle * angle;
    let (mut sine, mut cosine) = (1.0, 1.0);
    for term in (1..=16).rev() {
        let even = f64::from(2 * term);
        cosine = 1.0 - square / (even * (even - 1.0)) * cosine;
        sine = 1.0 - square / (even * (even + 1.0)) * sine;
    }
    (angle * sine, cosine)
}

/// The exponential of a number of at most 0, for the same reason.
pub(super) fn exponential(exponent: f64) -> f64 {
    if exponent < -40.0 {
        return 0.0;
    }
    let small = exponent / 1024.0;
    let mut power = 1.0;
    for term in (1..=12).rev() {
        power = 1.0 + small / f64::from(term) * power;
    }
    for _ in 0..10 {
        power *= power;
    }
    power
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn series_are_the_functions() {
        for step in -180..=180 {
            let angle = f64::from(step).to_radians();
            let (sine, cosine) = sine_and_cosine(angle);
            assert!((sine - angle.sin()).abs() < 1e-14, "{step}");
            assert!((cosine - angle.cos()).abs() < 1e-14, "{step}");
        }
        for step in 0..=1000 {
            let exponent = -f64::from(step) * 0.02;
            let relative = exponential(exponent) / exponent.exp() - 1.0;
            assert!(relative.abs() < 1e-12, "{exponent}: {relative}");
        }
        assert_eq!(exponential(-1e9).to_bits(), 0);
    }
}
