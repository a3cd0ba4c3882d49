package rideshare.web;

/** A parameter cannot be used. */
final class ParameterException extends Exception {
  private static final long serialVersionUID = 1;

  private final String parameter;

  ParameterException(String parameter, String problem) {
    super(parameter + " " + problem);
    this.parameter = parameter;
  }

  /** Returns its name. */
  String parameter() {
    return parameter;
  }
}
