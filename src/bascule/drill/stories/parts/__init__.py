"""The services of the stories: as small as what they show allows. They run in a lab, and are no part of the library."""
