package io.sparkweld.support

/** When kernels remember rows: `spark.sparkweld.featureCache.mode`. */
object CacheMode extends Enumeration {
  val Auto, Always, Never = Value

  def parse(text: String): Value =
    values.find(_.toString.equalsIgnoreCase(text)).getOrElse(throw new IllegalArgumentException(s"no mode '$text'"))
}
