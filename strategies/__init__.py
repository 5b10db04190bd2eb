# SPDX-License-Identifier: Apache-2.0
"""One strategy a file. The names that the command line knows without an installed plug-in."""

BUILT_IN = {
    "calendar-spread": "kilohour.strategies.calendar_spread:CalendarSpread",
    "generation-roll": "kilohour.strategies.generation_roll:GenerationRoll",
    "adoption-momentum": "kilohour.strategies.adoption_momentum:AdoptionMomentum",
    "rolled-exposure": "kilohour.strategies.rolled_exposure:RolledExposure",
}
