"""Country codes of ISO 3166 that are not among those of today. Pure."""

FORMER_COUNTRIES = {
    "AN": "Netherlands Antilles, until 2010",
    "BU": "Burma, until 1989",
    "CS": "Czechoslovakia, until 1993; Serbia and Montenegro, until 2006",
    "CT": "Canton and Enderbury Islands, until 1984",
    "DD": "German Democratic Republic, until 1990",
    "DY": "Dahomey, until 1977",
    "FQ": "French Southern and Antarctic Territories, until 1979",
    "FX": "Metropolitan France, until 1997",
    "HV": "Upper Volta, until 1984",
    "JT": "Johnston Island, until 1986",
    "MI": "Midway Islands, until 1986",
    "NH": "New Hebrides, until 1980",
    "NQ": "Dronning Maud Land, until 1983",
    "NT": "Neutral Zone, until 1993",
    "PC": "Trust Territory of the Pacific Islands, until 1986",
    "PU": "US Miscellaneous Pacific Islands, until 1986",
    "PZ": "Panama Canal Zone, until 1980",
    "RH": "Southern Rhodesia, until 1980",
    "SU": "USSR, until 1992",
    "TP": "East Timor, until 2002",
    "VD": "Democratic Republic of Viet-Nam, until 1977",
    "WK": "Wake Island, until 1986",
    "YD": "Democratic Yemen, until 1990",
    "YU": "Yugoslavia, until 2003",
    "ZR": "Zaire, until 1997",
}
"""ISO 3166-3: the alpha-2 codes of countries that are no more, and when each was withdrawn. Those that have come to stand
for another country are among the codes of today."""

SUPRANATIONAL = {"EU": "European Union"}
"""Codes that ISO 3166-1 has reserved, exceptionally, for what is no country."""
