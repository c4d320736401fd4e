"""From predictions to numbers and tables. No part of it imports a model or an editor."""
