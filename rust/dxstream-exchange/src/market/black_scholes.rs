//! European option prices and greeks with a continuous dividend yield.
//!
//! Source: Hull, Options, Futures and Other Derivatives, the Black-Scholes-Merton formulas.

use std::f64::consts::{PI, SQRT_2};

/// Right of an option.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Right {
    /// The right to buy.
    Call,
    /// The right to sell.
    Put,
}

/// What the price of an option depends on.
#[derive(Debug, Clone, Copy)]
pub struct Contract {
    /// Call or put.
    pub right: Right,
    /// Strike price.
    pub strike: f64,
    /// Price of the underlying.
    pub spot: f64,
    /// Time to expiry in years.
    pub years: f64,
    /// Interest rate a year, continuous, a fraction.
    pub rate: f64,
    /// Dividend yield a year, continuous, a fraction.
    pub dividend: f64,
    /// Volatility a year, a fraction.
    pub volatility: f64,
}

/// Price and greeks of an option, in the units of the Greeks event.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Valuation {
    /// Theoretical price.
    pub price: f64,
    /// Change of the price for one unit of the underlying.
    pub delta: f64,
    /// Change of delta for one unit of the underlying.
    pub gamma: f64,
    /// Change of the price over one day.
    pub theta: f64,
    /// Change of the price for one percentage point of interest rate.
    pub rho: f64,
    /// Change of the price for one percentage point of volatility.
    pub vega: f64,
}

/// Days of the year that theta is counted in.
const DAYS: f64 = 365.0;

/// The standard normal distribution function.
pub fn normal_cdf(x: f64) -> f64 {
    0.5 * libm::erfc(-x / SQRT_2)
}

fn normal_pdf(x: f64) -> f64 {
    libm::exp(-0.5 * x * x) / (2.0 * PI).sqrt()
}

impl Contract {
    /// Price and greeks; at and after expiry, and without volatility, those of the discounted
    /// intrinsic value.
    pub fn value(&self) -> Valuation {
        let years = self.years.max(0.0);
        let (sign, strike) = match self.right {
            Right::Call => (1.0, self.strike),
            Right::Put => (-1.0, self.strike),
        };
        let carry = libm::exp(-self.dividend * years);
        let discount = libm::exp(-self.rate * years);
        let deviation = self.volatility * years.sqrt();
        let (d1, d2) = if deviation > 0.0 {
            let forward = libm::log(self.spot / strike) + (self.rate - self.dividend) * years;
            (forward / deviation + 0.5 * deviation, forward / deviation - 0.5 * deviation)
        } else {
            let inside = f64::INFINITY.copysign(self.spot * carry - strike * discount);
            (inside, inside)
        };
        let (n1, n2) = (normal_cdf(sign * d1), normal_cdf(sign * d2));
        let density = normal_pdf(d1);
        let spot_part = self.spot * carry;
        let strike_part = strike * discount;
        let decay = if years > 0.0 {
            spot_part * density * self.volatility / (2.0 * years.sqrt())
        } else {
            0.0
        };
        let theta = -decay + sign * (self.dividend * spot_part * n1 - self.rate * strike_part * n2);
        Valuation {
            price: (sign * (spot_part * n1 - strike_part * n2)).max(0.0),
            delta: sign * carry * n1,
            gamma: if deviation > 0.0 { carry * density / (self.spot * deviation) } else { 0.0 },
            theta: theta / DAYS,
            rho: sign * strike_part * years * n2 / 100.0,
            vega: spot_part * density * years.sqrt() / 100.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn contract(right: Right) -> Contract {
        Contract {
            right,
            strike: 40.0,
            spot: 42.0,
            years: 0.5,
            rate: 0.1,
            dividend: 0.0,
            volatility: 0.2,
        }
    }

    #[test]
    fn prices_are_those_of_hulls_example() {
        // Hull, 9th edition, example 15.6: call 4.76, put 0.81.
        assert!((contract(Right::Call).value().price - 4.76).abs() < 0.005);
        assert!((contract(Right::Put).value().price - 0.81).abs() < 0.005);
    }

    #[test]
    fn greeks_are_those_of_hulls_examples() {
        // Hull, 9th edition, chapter 19: S 49, K 50, r 5 %, volatility 20 %, 20 weeks. Delta 0.522,
        // theta -4.31 a year, gamma 0.066, vega 12.1 and rho 8.91 for the change by 1.
        let value = Contract {
            right: Right::Call,
            strike: 50.0,
            spot: 49.0,
            years: 0.3846,
            rate: 0.05,
            dividend: 0.0,
            volatility: 0.2,
        }
        .value();
        assert!((value.delta - 0.522).abs() < 0.0005);
        assert!((value.theta * 365.0 + 4.31).abs() < 0.005);
        assert!((value.gamma - 0.066).abs() < 0.0005);
        assert!((value.vega * 100.0 - 12.1).abs() < 0.05);
        assert!((value.rho * 100.0 - 8.91).abs() < 0.005);
    }

    #[test]
    fn an_expired_option_is_worth_its_intrinsic_value() {
        let value = Contract { years: -0.1, ..contract(Right::Call) }.value();
        assert_eq!((value.price, value.delta, value.gamma), (2.0, 1.0, 0.0));
        let put = Contract { years: 0.0, ..contract(Right::Put) }.value();
        assert_eq!((put.price, put.delta), (0.0, 0.0));
    }

    fn contracts() -> impl Strategy<Value = Contract> {
        (50.0..200.0, 0.7..1.4, 0.02..2.0, 0.0..0.08, 0.0..0.04, 0.08..0.9, any::<bool>()).prop_map(
            |(spot, moneyness, years, rate, dividend, volatility, call)| Contract {
                right: if call { Right::Call } else { Right::Put },
                strike: spot * moneyness,
                spot,
                years,
                rate,
                dividend,
                volatility,
            },
        )
    }

    proptest! {
        #[test]
        fn calls_and_puts_are_at_parity(contract in contracts()) {
            let call = Contract { right: Right::Call, ..contract }.value().price;
            let put = Contract { right: Right::Put, ..contract }.value().price;
            let forward = contract.spot * libm::exp(-contract.dividend * contract.years)
                - contract.strike * libm::exp(-contract.rate * contract.years);
            prop_assert!((call - put - forward).abs() < 1e-9);
        }

        #[test]
        fn greeks_are_the_slopes_of_the_price(contract in contracts()) {
            let value = contract.value();
            let price = |change: &dyn Fn(&mut Contract, f64), step: f64| {
                let mut moved = contract;
                change(&mut moved, step);
                moved.value()
            };
            let slope = |change: &dyn Fn(&mut Contract, f64), step: f64| {
                (price(change, step).price - price(change, -step).price) / (2.0 * step)
            };
            let spot: &dyn Fn(&mut Contract, f64) = &|moved, step| moved.spot += step;
            prop_assert!((slope(spot, 1e-3) - value.delta).abs() < 1e-6);
            let gamma = (price(spot, 1e-3).delta - price(spot, -1e-3).delta) / 2e-3;
            prop_assert!((gamma - value.gamma).abs() < 1e-6);
            let vega = slope(&|moved, step| moved.volatility += step, 1e-5);
            prop_assert!((vega / 100.0 - value.vega).abs() < 1e-6);
            let rho = slope(&|moved, step| moved.rate += step, 1e-5);
            prop_assert!((rho / 100.0 - value.rho).abs() < 1e-6);
            let theta = -slope(&|moved, step| moved.years += step, 1e-5);
            prop_assert!((theta / 365.0 - value.theta).abs() < 1e-4);
        }
    }
}
